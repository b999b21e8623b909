// The paths of 手順4 and 5: every state that an inquiry PIN can be in, each taken by the
// user of the demo bank who is its case.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookedAt as look } from './lib/checks.mjs';
import { suite } from './lib/suite.mjs';

const here = suite();
const anyone = { look };

const fullWidth = (digits) => digits.replace(/\d/g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0));

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
