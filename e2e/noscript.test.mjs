// The whole journey without JavaScript: nothing depends on it.
import { test } from 'node:test';
import { suite } from './lib/suite.mjs';

const here = suite();

test('all six steps without JavaScript, and back at the partner by the page’s own refresh', here.with({ scripts: false }, async ({ journey, demo }) => {
  const user = demo.user('all.steps');
  await journey.begin(demo.choosing);
  await journey.logIn(user, 'AL-200');
  await journey.answer(user, 'AL-300');
  await journey.chooseFunctions('AL-400', '入出金明細照会');
  await journey.registerPINs(user, 'AL-410');
  await journey.press('照会用暗証番号の追加登録');
  await journey.at('AL-400');
  await journey.press('あとで登録して進む');
  await journey.at('AL-500');
  await journey.allow();
  await journey.seesBalances(...user.accounts);
}));

test('an error without JavaScript stands at its field and loses nothing', here.with({ scripts: false }, async ({ journey, demo, page }) => {
  await journey.begin(demo.fixed);
  await journey.field('ログインID').fill('ok.pw');
  await journey.press('API連携');
  await journey.at('AL-100');
  await page.getByRole('alert').getByRole('link').first().waitFor();
  if (await journey.field('ログインID').inputValue() !== 'ok.pw') throw new Error('the login id was lost');
}));
