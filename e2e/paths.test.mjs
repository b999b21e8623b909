// Every path through the journey, each taken by the user of the demo bank who is its
// case; with what each screen has to show on the way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookedAt as look } from './lib/checks.mjs';
import { suite } from './lib/suite.mjs';

const here = suite();
const holder = (name) => ({ look, holder: name });
const anyone = { look };

const katakana = (text) => text.replace(/[ぁ-ゖ]/g, (kana) => String.fromCharCode(kana.charCodeAt(0) + 0x60));

test('ID and password, all PINs registered, a partner without choice: login, consent, balances', here.with(anyone, async ({ journey, demo }) => {
  const user = demo.user('ok.pw');
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-500');
  await journey.allow();
  await journey.seesBalances(...user.accounts);
  assert.deepEqual(journey.screens, ['AL-100', 'AL-500']);
}));

test('ID and password, a partner with a choice of functions: what must be had is text, the rest is chosen', here.with(anyone, async ({ journey, demo, page }) => {
  const user = demo.user('ok.pw');
  await journey.begin(demo.choosing);
  await journey.logIn(user, 'AL-300');
  assert.equal(await page.getByRole('checkbox', { name: /残高照会/ }).count(), 0);
  await journey.chooseFunctions('AL-500', '入出金明細照会');
  const what = await page.getByRole('region', { name: '提供する情報' }).innerText();
  assert.match(what, /残高照会/);
  assert.match(what, /入出金明細照会/);
  assert.doesNotMatch(what, /振込入金明細照会/);
  await journey.allow();
  await journey.seesBalances(...user.accounts);
}));

test('certificate, an account without PIN: all six steps but the question', here.with(holder('ok.cert'), async ({ journey, demo, page }) => {
  const user = demo.user('ok.cert');
  const [open, registered] = user.accounts;
  await journey.begin(demo.choosing);
  await journey.logInByCertificate(user, 'AL-300');
  await journey.chooseFunctions('AL-400', '入出金明細照会', '振込入金明細照会');
  assert.deepEqual(await journey.states(), { [open.number]: '未登録', [registered.number]: '登録済み' });
  assert.equal(await journey.pinBox(open).isChecked(), true);
  assert.equal(await journey.pinBox(registered).isChecked(), false);
  await journey.registerPINs(user, 'AL-410');
  assert.deepEqual(await journey.states(), { [open.number]: '登録済み＊', [registered.number]: '登録済み' });
  assert.match(await journey.row(open).innerText(), /●●●●/);
  assert.doesNotMatch(await journey.row(registered).innerText(), /●●●●/);
  await journey.confirm();
  assert.equal(await page.getByRole('radio', { checked: true }).count(), 0);
  await journey.allow();
  await journey.seesBalances(...user.accounts);
  assert.deepEqual(journey.screens, ['AL-100', 'AL-111', 'AL-300', 'AL-400', 'AL-410', 'AL-500']);
}));

test('certificate, linked a second time: the PINs are kept, and the page asks whether to renew', here.with(holder('ok.cert'), async ({ journey, demo, page }) => {
  const user = demo.user('ok.cert');
  await journey.begin(demo.choosing);
  await journey.logInByCertificate(user, 'AL-300');
  assert.match(await page.getByRole('row', { name: /入出金明細照会/ }).innerText(), /連携済/);
  await journey.chooseFunctions('AL-500', '入出金明細照会');
  assert.equal(await page.getByRole('radio', { name: /更新する/ }).isChecked(), true);
  await journey.allow();
  await journey.seesBalances(...user.accounts);
}));

test('high risk, ID and password: one of the user’s own questions, the same after a wrong answer', here.with(anyone, async ({ journey, demo, page }) => {
  const user = demo.user('risk.question');
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-200');
  const question = await page.locator('.asked').textContent();
  await journey.answer(user, 'AL-200', 'ちがう答え');
  await page.getByText(/回答が一致しません（あと\d回）/).first().waitFor();
  assert.equal(await page.locator('.asked').textContent(), question);
  await journey.answer(user, 'AL-500', ` ${katakana(user.answer)}　`);
  await journey.allow();
  await journey.seesBalances(...user.accounts);
}));

test('high risk, certificate: certificate, password, question, consent', here.with(holder('risk.cert'), async ({ journey, demo }) => {
  const user = demo.user('risk.cert');
  await journey.begin(demo.fixed);
  await journey.logInByCertificate(user, 'AL-200');
  await journey.answer(user, 'AL-500');
  await journey.allow();
  await journey.seesBalances(...user.accounts);
}));

test('a general user: functions without a right are text with a reason', here.with(anyone, async ({ journey, demo, page }) => {
  const user = demo.user('team.general');
  await journey.begin(demo.choosing);
  await journey.logIn(user, 'AL-300');
  assert.match(await page.getByRole('row', { name: /入出金明細照会/ }).innerText(), /権限/);
  await journey.chooseFunctions('AL-400');
  await journey.registerPINs(user, 'AL-410');
  await journey.confirm();
  await journey.allow();
  await journey.seesBalances(...user.accounts);
}));

test('a closed account is not offered', here.with(anyone, async ({ journey, demo, page }) => {
  const user = demo.user('closing.account');
  const [open, closed] = user.accounts;
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-500');
  assert.equal(await page.getByRole('checkbox', { name: new RegExp(closed.number) }).count(), 0);
  await journey.allow();
  await journey.seesBalances(open);
}));

test('a slow core is waited for', here.with({ look: async () => {} }, async ({ journey, demo }) => {
  const user = demo.user('core.slow');
  journey.page.setDefaultTimeout(40_000);
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-400');
  await journey.registerPINs(user, 'AL-410');
  await journey.confirm();
  await journey.allow();
  await journey.seesBalances(...user.accounts);
}));

test('nothing chosen, 中止する chosen, no account left: errors at the field that lose nothing; 許可しない goes back', here.with(anyone, async ({ journey, demo, page }) => {
  const user = demo.user('ok.pw');
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-500');
  const [first, second] = user.accounts;
  await page.getByRole('checkbox', { name: new RegExp(first.number) }).uncheck();
  await journey.press('許可');
  await journey.at('AL-500');
  await page.getByRole('alert').getByRole('link', { name: /許可手続きを継続する/ }).waitFor();
  assert.match(await page.title(), /^エラー/);
  assert.equal(await page.getByRole('checkbox', { name: new RegExp(first.number) }).isChecked(), false);
  await page.getByRole('radio', { name: '許可手続きを中止する' }).check();
  await journey.press('許可');
  await journey.at('AL-500');
  await page.getByText(/「許可手続きを中止する」が選ばれています/).first().waitFor();
  await page.getByRole('checkbox', { name: new RegExp(second.number) }).uncheck();
  await page.getByRole('radio', { name: '許可手続きを継続する' }).check();
  await journey.press('許可');
  await page.getByText('連携する口座を1つ以上選んでください。').first().waitFor();
  const [allow, refuse] = await Promise.all(['許可', '許可しない'].map((name) => journey.button(name).boundingBox()));
  assert.equal(allow.width, refuse.width);
  assert.equal(allow.height, refuse.height);
  await journey.press('許可しない');
  await page.waitForURL((url) => url.href.startsWith(demo.fixed.url));
  assert.doesNotMatch(await page.locator('main').innerText(), new RegExp(first.number));
}));

test('left on any page: back at the partner, without accounts', here.with(anyone, async ({ journey, demo, page }) => {
  for (const steps of [[], ['AL-300']]) {
    await journey.begin(demo.choosing);
    for (const next of steps) await journey.logIn(demo.user('team.admin'), next);
    await journey.press('中止して連携先へ戻る');
    await page.waitForURL((url) => url.href.startsWith(demo.choosing.url));
  }
}));
