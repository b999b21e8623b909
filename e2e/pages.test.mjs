// Every page of the journey on a desk's screen, on a telephone and on the narrowest
// one that WCAG asks for, in both languages, read by axe; the hand-over and its receipt
// included.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, complete, fits, guarded } from './lib/checks.mjs';
import { desktop, phone } from './lib/chromium.mjs';
import { stayAtHandover, suite } from './lib/suite.mjs';

const here = suite();
const narrowest = { width: 320, height: 640 };

/** The page in every size. */
async function inEverySize(page, where) {
  for (const size of [desktop, phone, narrowest]) {
    await page.setViewportSize(size);
    await fits(page, `${where} at ${size.width}`);
    if (size !== narrowest) await accessible(page, `${where} at ${size.width}`);
  }
  await page.setViewportSize(desktop);
  await complete(page, where);
  await bentByItsReader(page, where);
}

/** Text of twice the size, wide spacing (WCAG 1.4.4, 1.4.12), and colours that the reader's machine forces. */
async function bentByItsReader(page, where) {
  const root = (style) => page.evaluate((css) => Object.assign(document.documentElement.style, css), style);
  const before = await page.evaluate(() => document.querySelector('main p').getBoundingClientRect().height);
  await root({ fontSize: '200%' });
  const after = await page.evaluate(() => document.querySelector('main p').getBoundingClientRect().height);
  assert.ok(after >= 1.9 * before, `${where}: text of ${before} px grows to ${after}`);
  await fits(page, `${where} with text of twice the size`);
  await root({ fontSize: '' });
  const spaced = (css) => page.evaluate((one) => document.querySelectorAll('body *').forEach((e) => Object.assign(e.style, one)), css);
  await page.setViewportSize(narrowest);
  await spaced({ letterSpacing: '.12em', wordSpacing: '.16em', lineHeight: '1.5' });
  await fits(page, `${where} with wide spacing`);
  await spaced({ letterSpacing: '', wordSpacing: '', lineHeight: '' });
  await page.setViewportSize(desktop);
  await page.emulateMedia({ forcedColors: 'active' });
  const bare = await page.evaluate(() => [...document.querySelectorAll('main button, main a.button, main input:not([type=hidden])')]
    .filter((e) => e.checkVisibility() && !['checkbox', 'radio'].includes(e.type))
    .filter((e) => getComputedStyle(e).borderStyle === 'none' || parseFloat(getComputedStyle(e).borderWidth) === 0).map((e) => e.outerHTML));
  assert.deepEqual(bare, [], `${where}: without an edge in forced colours`);
  await page.emulateMedia({ forcedColors: null });
}

/** Japanese stands only where it is data: marked by its language, or a name that the bank gave. */
async function speaksEnglish(page, where) {
  assert.equal(await page.locator('html').getAttribute('lang'), 'en', where);
  const own = await page.locator('h1, h2, legend, label .must, button, .lead, .support, .steps li, thead th, caption').allInnerTexts();
  const name = /見本会計クラウド|見本ソフト株式会社|れんけい[^ ]*|日本語/g;
  for (const text of own) assert.doesNotMatch(text.replace(name, ''), /[ぁ-ゖァ-ヺ]/, `${where}: ${text}`);
}

/** Goes by what is the same in both languages: where forms lead and what fields are for. */
async function walk(page, user, seen) {
  const press = async (step) => {
    const arrived = page.waitForEvent('framenavigated', (frame) => frame === page.mainFrame());
    await Promise.all([arrived, page.locator(`form[action$="/${step}"] button:not([type=button])`).first().click()]);
    await page.waitForLoadState();
    await seen(page);
  };
  await seen(page);
  await press('login');
  await page.locator('input[autocomplete=username]').fill(user.loginId);
  await page.locator('form[action$="/login"] input[autocomplete=current-password]').fill(user.password);
  await press('login');
  await press('question');
  await page.locator('form[action$="/question"] input:not([type=hidden])').first().fill(user.answer);
  await press('question');
  await press('business');
  await press('pin');
  for (const account of user.accounts) {
    const field = page.getByRole('row').filter({ hasText: account.number }).locator('input[inputmode=numeric]');
    if (await field.count()) await field.fill(account.pin);
  }
  await press('pin');
  await press('pin-result');
  await press('consent');
}

const screenOf = async (page) => (await page.locator('.ids dd').first().textContent()).trim();

test('in English: every step with its errors, and no Japanese but data; refused at the end', here.with({ language: 'en-US' }, async ({ demo, page, context }) => {
  const screens = [];
  await page.goto(demo.choosing.url);
  await page.locator('main form button').first().click();
  await page.locator('.ids').waitFor();
  await walk(page, demo.user('all.steps'), async (at) => {
    const screen = await screenOf(at);
    screens.push(screen);
    await speaksEnglish(at, screen);
    await inEverySize(at, screen);
  });
  assert.deepEqual(screens, ['AL-100', 'AL-100', 'AL-200', 'AL-200', 'AL-300', 'AL-400', 'AL-400', 'AL-410', 'AL-500', 'AL-500']);
  await stayAtHandover(context);
  await page.getByRole('button', { name: 'Do not allow', exact: true }).click();
  await page.locator('.ids dd', { hasText: /^AL-510$/ }).waitFor();
  await speaksEnglish(page, 'AL-510');
  await inEverySize(page, 'AL-510');
}));

test('in Japanese: every step, the hand-over and its receipt, with all headers', here.with({}, async ({ demo, page, context }) => {
  const checks = [];
  page.on('response', (response) => {
    const at = new URL(response.url());
    if (at.origin !== demo.issuer || !response.request().isNavigationRequest()) return;
    checks.push(response.allHeaders().then((headers) => guarded(headers, at.pathname)));
  });
  await page.goto(demo.choosing.url);
  await page.locator('main form button').first().click();
  await page.locator('.ids').waitFor();
  await walk(page, demo.user('all.steps'), async (at) => inEverySize(at, await screenOf(at)));
  const handover = await stayAtHandover(context);
  await page.getByRole('radio', { name: '許可手続きを継続する' }).check();
  await page.getByRole('button', { name: '許可', exact: true }).click();
  await page.locator('.ids dd', { hasText: /^AL-510$/ }).waitFor();
  await inEverySize(page, 'AL-510');
  const receipt = page.url();
  await handover.leave();
  await page.getByRole('link', { name: '見本会計クラウドへ戻る' }).click();
  await page.waitForURL((url) => url.href.startsWith(demo.choosing.url) && url.pathname !== '/callback');
  await page.goto(receipt);
  await page.getByRole('heading', { level: 2, name: '許可内容の控え' }).waitFor();
  assert.equal(await page.locator('meta[http-equiv=refresh]').count(), 0);
  await inEverySize(page, 'the receipt');
  await Promise.all(checks);
  assert.ok(checks.length > 10);
}));
