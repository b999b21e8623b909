// A login that serves further linkings of its browser, where the institution wants
// that: step 1 is skipped, and another user can take the place of the one signed in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookedAt as look } from './lib/checks.mjs';
import { Journey } from './lib/journey.mjs';
import { suite } from './lib/suite.mjs';

const here = suite({ demo: ['--session-for', '1h'] });

/** Begins at the partner once more, and lands behind the login. */
async function again(journey, partner, button, screen) {
  await journey.page.goto(partner.url);
  await journey.press(button);
  await journey.page.locator('.ids dd', { hasText: new RegExp(`^${screen}$`) }).waitFor();
  await look(journey.page, screen);
}

test('the second linking skips the login and says who is signed in; 別の利用者としてログインする leaves nothing behind', here.with({ look }, async ({ journey, demo, page }) => {
  const user = demo.user('ok.pw');
  const other = demo.user('closing.account');
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-500');
  assert.equal(await journey.button('別の利用者としてログインする').count(), 0, 'who has just logged in is not asked');
  await again(journey, demo.fixed, '銀行口座を連携する', 'AL-500');
  assert.match(await page.locator('main').innerText(), /様としてログイン済みです/);
  assert.match(await page.locator('main').innerText(), new RegExp(user.company));
  const left = page.waitForResponse((response) => new URL(response.url()).pathname.endsWith('/switch'));
  await journey.press('別の利用者としてログインする');
  assert.equal((await (await left).allHeaders())['clear-site-data'], '"cache"');
  await journey.at('AL-100');
  await page.goBack();
  await page.waitForLoadState();
  assert.doesNotMatch(await page.locator('body').innerText(), new RegExp(`${user.company}|${user.accounts[0].number}`), 'the page of the user before');
  await page.goForward();
  await journey.at('AL-100');
  await journey.logIn(other, 'AL-500');
  assert.match(await page.locator('main').innerText(), new RegExp(other.company));
  await journey.allow();
  await journey.seesBalances(other.accounts[0]);
}));

test('in another tab, whoever is no longer signed in is shown nothing of theirs, and comes back to the partner', here.with({ look }, async ({ journey, demo, page }) => {
  const user = demo.user('ok.pw');
  await journey.begin(demo.fixed);
  await journey.logIn(user, 'AL-500');
  await again(journey, demo.fixed, '銀行口座を連携する', 'AL-500');
  const tab = new Journey(await page.context().newPage(), { look });
  await again(tab, demo.fixed, '銀行口座を連携する', 'AL-500');
  assert.match(await tab.page.locator('main').innerText(), new RegExp(user.company));
  await journey.press('別の利用者としてログインする');
  await journey.at('AL-100');
  await tab.page.reload();
  await tab.at('AL-930');
  assert.doesNotMatch(await tab.page.locator('body').innerText(), new RegExp(`${user.company}|${user.accounts[0].number}`), 'the page of the user before');
  await tab.press('連携先へ戻る');
  await tab.page.waitForURL((url) => url.origin === new URL(demo.fixed.url).origin);
}));

test('in English, from the keyboard', here.with({ language: 'en-US' }, async ({ journey, demo, page }) => {
  const user = demo.user('ok.pw');
  await page.goto(demo.fixed.url);
  await journey.press('Link bank accounts');
  await journey.field('Login ID').fill(user.loginId);
  await journey.field('Login password').fill(user.password);
  await journey.press('Link by API');
  await page.locator('.ids dd', { hasText: /^AL-500$/ }).waitFor();
  await again(journey, demo.fixed, 'Link bank accounts', 'AL-500');
  assert.match(await page.locator('main').innerText(), /You are signed in as/);
  const button = page.getByRole('button', { name: 'Log in as another user', exact: true });
  for (let n = 0; n < 40 && !(await button.evaluate((one) => one === document.activeElement)); n++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('.ids dd', { hasText: /^AL-100$/ }).waitFor();
}));
