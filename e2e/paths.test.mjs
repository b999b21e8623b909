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
const fullWidth = (digits) => digits.replace(/\d/g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0));

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

test('every state of a PIN: some are chosen, one goes wrong, one is registered more, one waits', here.with(anyone, async ({ journey, demo, page }) => {
  const user = demo.user('pin.mixed');
  const [unregistered, registered, pending, rejected] = user.accounts;
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-400');
  assert.deepEqual(await journey.states(), {
    [unregistered.number]: '未登録', [registered.number]: '登録済み', [pending.number]: '申請中', [rejected.number]: '要再登録',
  });
  for (const [account, chosen] of [[unregistered, true], [registered, false], [rejected, true]]) {
    assert.equal(await journey.pinBox(account).isChecked(), chosen, account.number);
  }
  await journey.pinField(unregistered).fill(unregistered.pin);
  await journey.pinField(rejected).fill('0000');
  await journey.press('登録');
  await journey.at('AL-410');
  assert.equal((await journey.states())[unregistered.number], '登録済み＊');
  assert.equal((await journey.states())[rejected.number], '要再登録');
  await page.getByText(/届け出の番号と一致しません。あと\d回/).first().waitFor();
  await journey.press('照会用暗証番号の追加登録');
  await journey.at('AL-400');
  assert.equal((await journey.states())[unregistered.number], '登録済み＊');
  assert.equal(await journey.pinBox(unregistered).isChecked(), false);
  assert.equal(await journey.pinField(rejected).inputValue(), '');
  await journey.pinField(rejected).fill(fullWidth(rejected.pin));
  await journey.press('登録');
  await journey.at('AL-410');
  assert.equal((await journey.states())[rejected.number], '登録済み＊');
  await journey.confirm();
  await page.getByRole('checkbox', { name: new RegExp(registered.number) }).uncheck();
  await journey.allow();
  await journey.seesBalances(unregistered, rejected);
  assert.equal(await page.getByText(registered.number).count(), 0);
}));

test('no PIN at all: nothing can be put off, and one number serves several accounts', here.with(anyone, async ({ journey, demo, page }) => {
  const user = demo.user('pin.none');
  const [first, second, third] = user.accounts;
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-400');
  assert.equal(await journey.button('あとで登録して進む').count(), 0);
  await journey.pinBox(third).uncheck();
  await journey.pinField(first).fill(first.pin);
  await page.getByRole('checkbox', { name: /同じ番号を使う/ }).check();
  await journey.press('登録');
  await journey.at('AL-410');
  assert.deepEqual(await journey.states(), { [first.number]: '登録済み＊', [second.number]: '登録済み＊', [third.number]: '未登録' });
  await journey.confirm();
  await journey.allow();
  await journey.seesBalances(first, second);
}));

test('registered later: the account is left out and the journey goes on', here.with(anyone, async ({ journey, demo, page }) => {
  const user = demo.user('team.master');
  const [open, registered] = user.accounts;
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-400');
  await journey.press('あとで登録して進む');
  await journey.at('AL-500');
  assert.equal(await page.getByRole('checkbox', { name: new RegExp(open.number) }).count(), 0);
  await journey.allow();
  await journey.seesBalances(registered);
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

test('the core cannot check PINs at night: 申請中, and 確認待ち on the consent page', here.with(anyone, async ({ journey, demo, page }) => {
  const user = demo.user('pin.pending');
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-400');
  await journey.registerPINs(user, 'AL-410');
  assert.equal((await journey.states())[user.accounts[0].number], '申請中');
  await journey.confirm();
  await page.getByText('確認待ち').first().waitFor();
  await journey.allow();
  await page.waitForURL((url) => url.href.startsWith(demo.fixed.url));
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
