// Each button of the journey pressed twice: by two submissions under way at once, and by
// a double click without JavaScript, of which the browser gives up the first answer.
// Either way the press counts once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suite } from './lib/suite.mjs';

const here = suite();

/** All six steps up to the consent; `twice` presses a button by its name. */
async function toConsent(journey, user, twice) {
  await journey.answer(user, 'AL-200', 'ちがう答え');
  await journey.page.getByText('あと2回').first().waitFor();
  await journey.field('回答').fill(user.answer);
  await twice('認証');
  await journey.at('AL-300');
  await twice('次へ');
  await journey.at('AL-400');
  for (const account of user.accounts) await journey.pinField(account).fill(account.pin);
  await twice('登録');
  await journey.at('AL-410');
  assert.deepEqual(Object.values(await journey.states()), user.accounts.map(() => '登録済み＊'));
  await twice('照会用暗証番号の追加登録');
  await journey.at('AL-400');
  await twice('あとで登録して進む');
  await journey.at('AL-500');
}

test('a double click on each button, without JavaScript', here.with({ scripts: false, holder: 'all.steps.cert' }, async ({ journey, demo, page }) => {
  const user = demo.user('all.steps.cert');
  const twice = (name) => journey.button(name).dblclick({ noWaitAfter: true });
  await journey.begin(demo.choosing);
  await journey.press('電子証明書ログイン');
  await journey.at('AL-111');
  await journey.typePassword(user);
  await twice('API連携');
  await journey.at('AL-200');
  await toConsent(journey, user, twice);
  await twice('許可しない');
  await page.getByText('連携は行われませんでした').first().waitFor();
  assert.equal(await page.getByText(user.accounts[0].number).count(), 0);
}));

test('two submissions of each form at once: one linkage at the end', here.with({}, async ({ journey, demo, page }) => {
  const user = demo.user('all.steps');
  const twice = async (name) => {
    await journey.button(name).evaluate((button) => {
      const { form } = button;
      const action = button.getAttribute('formaction') ?? form.action;
      fetch(action, { method: 'POST', body: new URLSearchParams(new FormData(form, button)), redirect: 'manual', keepalive: true });
    });
    await journey.press(name);
  };
  await journey.begin(demo.choosing);
  await journey.field('ログインID').fill(user.loginId);
  await journey.typePassword(user);
  await twice('API連携');
  await journey.at('AL-200');
  await toConsent(journey, user, twice);
  await page.getByRole('radio', { name: '許可手続きを継続する' }).check();
  await twice('許可');
  await journey.seesBalances(...user.accounts);
  assert.equal(await page.getByRole('heading', { level: 2, name: demo.bank, exact: true }).count(), 1);
}));
