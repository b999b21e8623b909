// The way back by its button, for browsers that follow no refresh; and the partner's
// address opened a second time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stayAtHandover, suite } from './lib/suite.mjs';

const here = suite();

test('without JavaScript and without the refresh, the button leads back; used again, it links nothing twice', here.with({ scripts: false }, async ({ journey, demo, page, context }) => {
  const user = demo.user('ok.pw');
  const back = `${demo.fixed.name}へ戻る`;
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-500');
  const handover = await stayAtHandover(context);
  await journey.allow();
  await journey.at('AL-510');
  const receipt = page.url();
  const way = await journey.button(back).getAttribute('href');
  await handover.leave();
  await journey.press(back);
  await journey.seesBalances(...user.accounts);
  await page.goto(way);
  await journey.seesBalances(...user.accounts);
  assert.equal(await page.getByRole('heading', { level: 2, name: demo.bank, exact: true }).count(), 1);
  await page.goto(receipt);
  await journey.at('AL-510');
  await page.getByRole('heading', { name: '許可内容の控え' }).waitFor();
  assert.equal(await journey.button(back).count(), 0, 'the receipt leads nowhere');
}));

test('a refusal leads back by its button too', here.with({ scripts: false }, async ({ journey, demo, page, context }) => {
  await journey.begin(demo.fixed);
  await journey.logIn(demo.user('ok.pw'), 'AL-500');
  const handover = await stayAtHandover(context);
  await journey.press('許可しない');
  await page.getByRole('heading', { level: 1, name: 'API連携認証（中止）（利用登録）', exact: true }).waitFor();
  await handover.leave();
  await journey.press(`${demo.fixed.name}へ戻る`);
  await page.waitForURL((url) => url.href.startsWith(demo.fixed.url));
}));
