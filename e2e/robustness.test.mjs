// What people and networks do to a journey: back, reload, double presses, two tabs, a
// restart, the way back shown twice. Each lands on the current step, with nothing
// entered twice and nothing counted twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Journey } from './lib/journey.mjs';
import { Pusher } from './lib/partner.mjs';
import { stayAtHandover, suite } from './lib/suite.mjs';

const here = suite();

test('back leads to the current step, not to a form that is over', here.with({}, async ({ journey, demo, page }) => {
  await journey.begin(demo.choosing);
  await journey.logIn(demo.user('ok.pw'), 'AL-300');
  await journey.chooseFunctions('AL-500', '入出金明細照会');
  for (let n = 0; n < 2; n++) {
    await page.goBack();
    await journey.at('AL-500');
  }
  await journey.allow();
  await journey.seesBalances(...demo.user('ok.pw').accounts);
}));

test('reload after a press shows the same step and asks for nothing again', here.with({}, async ({ journey, demo, page }) => {
  const user = demo.user('all.steps');
  await journey.begin(demo.choosing);
  await journey.logIn(user, 'AL-200');
  await page.reload();
  await journey.at('AL-200');
  await journey.answer(user, 'AL-300');
  await page.reload();
  await journey.at('AL-300');
  await journey.chooseFunctions('AL-400');
  await journey.registerPINs(user, 'AL-410');
  const states = await journey.states();
  await page.reload();
  await journey.at('AL-410');
  assert.deepEqual(await journey.states(), states);
}));

test('a form sent twice at once counts once and shows one result', here.with({}, async ({ journey, demo, page }) => {
  const user = demo.user('risk.question');
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-200');
  await journey.field('回答').fill('ちがう答え');
  await page.evaluate(() => {
    const form = document.querySelector('form[action$="/question"]');
    const body = new URLSearchParams(new FormData(form));
    globalThis.twin = fetch(form.action, { method: 'POST', body, redirect: 'manual' }).then(() => 'done');
  });
  await journey.press('認証');
  await journey.at('AL-200');
  const left = await page.getByText(/あと(\d)回/).first().innerText();
  assert.match(left, /あと2回/, 'one wrong answer of three was counted');
  await journey.answer(user, 'AL-500');
}));

test('two clicks on 許可 give one consent', here.with({}, async ({ journey, demo, page }) => {
  const user = demo.user('ok.pw');
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-500');
  await page.getByRole('radio', { name: '許可手続きを継続する' }).check();
  await journey.button('許可').dblclick({ noWaitAfter: true });
  await journey.seesBalances(...user.accounts);
}));

test('two tabs with two partners do not disturb each other', here.with({}, async ({ journey, demo, context, page }) => {
  const other = new Journey(await context.newPage());
  const [first, second] = [demo.user('ok.pw'), demo.user('closing.account')];
  await journey.begin(demo.choosing);
  await other.begin(demo.fixed);
  await journey.logIn(first, 'AL-300');
  await other.logIn(second, 'AL-500');
  await journey.chooseFunctions('AL-500');
  await other.allow();
  await other.seesBalances(second.accounts[0]);
  await page.reload();
  await journey.at('AL-500');
  await journey.allow();
  await journey.seesBalances(...first.accounts);
}));

test('the server restarts in mid-journey: before the login, after it, and before 許可', here.with({}, async ({ journey, demo, page }) => {
  const user = demo.user('ok.pw');
  await journey.begin(demo.choosing);
  await demo.restart();
  await journey.logIn(user, 'AL-300');
  await demo.restart();
  await page.reload();
  await journey.at('AL-300');
  await journey.chooseFunctions('AL-500', '入出金明細照会');
  await demo.restart();
  await journey.allow();
  await journey.seesBalances(...user.accounts);
}));

test('the way back, shown twice, is the same, and works once; then the page is the receipt', here.with({}, async ({ journey, demo, page, context }) => {
  const user = demo.user('ok.pw');
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-500');
  const handover = await stayAtHandover(context);
  await journey.allow();
  await journey.at('AL-510');
  const address = page.url();
  const back = async () => page.locator('meta[http-equiv=refresh]').getAttribute('content');
  const way = await back();
  await page.reload();
  await journey.at('AL-510');
  assert.equal(await back(), way);
  await handover.leave(2);
  await page.reload();
  await journey.seesBalances(...user.accounts);
  await page.goto(address);
  await journey.at('AL-510');
  assert.equal(await page.locator('meta[http-equiv=refresh]').count(), 0);
  await page.getByRole('heading', { name: '許可内容の控え' }).waitFor();
}));

test('one link in two browsers: a journey each, and the first to complete spends it', here.with({}, async ({ journey, demo, context }) => {
  const link = await new Pusher(demo).link();
  const elsewhere = await here.chromium.person();
  try {
    const other = new Journey(await elsewhere.newPage());
    await journey.beginAt(link);
    await other.beginAt(link);
    await journey.logIn(demo.user('ok.pw'), 'AL-300');
    await other.logIn(demo.user('team.admin'), 'AL-300');
    await stayAtHandover(context);
    await journey.chooseFunctions('AL-500');
    await journey.allow();
    await journey.at('AL-510');
    await other.chooseFunctions('AL-400');
    await other.press('あとで登録して進む');
    await other.at('AL-500');
    await other.allow();
    await other.at('AL-940');
  } finally {
    await elsewhere.close();
  }
}));
