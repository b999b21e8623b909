// The journey in English, to the last letter: every text and every attribute that is
// read out is free of kana and kanji, unless it is marked as Japanese or is a name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complete } from './lib/checks.mjs';
import { stayAtHandover, suite } from './lib/suite.mjs';

const here = suite();

/** Names as the bank keeps them, which are the same in every language. */
function names({ partners, institutions }, user) {
  return [
    ...partners.map((one) => one.name), ...institutions.map((one) => one.name), user.company, /\S+ \(\d{3}\)/,
    '見本ソフト株式会社', '株式会社つづみ計算', 'お客さま窓口', /..財務局長（電代）第\d+号/, /^ · .+$/, /^\S+ \S+ (?=\(.+ user\)$)/,
  ];
}

/** What is Japanese on a page and is not marked so. */
function japanese(page) {
  return page.evaluate(() => {
    const read = ['aria-label', 'title', 'alt', 'placeholder', 'data-show', 'data-hide', 'data-words', 'data-minutes', 'data-last-minute', 'data-label'];
    const found = [];
    const walk = (node) => {
      if (node.nodeType === Node.TEXT_NODE) found.push(node.data.trim());
      if (node.nodeType !== Node.ELEMENT_NODE || ['SCRIPT', 'STYLE'].includes(node.tagName) || node.lang === 'ja') return;
      for (const name of read) if (node.hasAttribute(name)) found.push(`${name}="${node.getAttribute(name)}"`);
      node.childNodes.forEach(walk);
    };
    walk(document.documentElement);
    return found.filter((text) => /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u.test(text));
  });
}

async function inEnglish(page, known) {
  const screen = (await page.locator('.ids dd').first().textContent()).trim();
  assert.equal(await page.locator('html').getAttribute('lang'), 'en', screen);
  await complete(page, screen);
  for (const text of await japanese(page)) {
    const rest = known.reduce((left, name) => left.replaceAll(name instanceof RegExp ? new RegExp(name, 'g') : name, ''), text);
    assert.doesNotMatch(rest, /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u, `${screen}: ${text}`);
  }
  return screen;
}

test('by English names through all six steps, with the errors of each, to the receipt', here.with({ language: 'en-US' }, async ({ journey, demo, page, context }) => {
  const user = demo.user('all.steps');
  const known = names(demo.manifest, user);
  const screens = [];
  const press = async (name) => {
    await journey.press(name);
    await page.waitForLoadState();
    screens.push(await inEnglish(page, known));
  };
  await page.goto(demo.choosing.url);
  await journey.press('Link bank accounts');
  await page.locator('.ids').waitFor();
  screens.push(await inEnglish(page, known));
  await press('Link by API');
  await journey.field('Login ID').fill(user.loginId);
  await journey.field('Login password').fill(user.password);
  await press('Link by API');
  await journey.field('Answer').fill('ちがう答え');
  await press('Authenticate');
  await journey.field('Answer').fill(user.answer);
  await press('Authenticate');
  await press('Next');
  await press('Register');
  for (const account of user.accounts) await page.getByRole('textbox', { name: new RegExp(`${account.number}`) }).fill('0000');
  await press('Register');
  for (const account of user.accounts) await page.getByRole('textbox', { name: new RegExp(`${account.number}`) }).fill(account.pin);
  await press('Register');
  await press('Confirm');
  await press('Allow');
  await page.getByRole('radio', { name: 'Continue with the permission' }).check();
  const handover = await stayAtHandover(context);
  await press('Allow');
  assert.deepEqual(screens, ['AL-100', 'AL-100', 'AL-200', 'AL-200', 'AL-300', 'AL-400', 'AL-400', 'AL-400', 'AL-410', 'AL-500', 'AL-500', 'AL-510']);
  const receipt = page.url();
  await handover.leave();
  await journey.press(`Back to ${demo.choosing.name}`);
  await page.waitForURL((url) => url.href.startsWith(demo.choosing.url) && url.pathname !== '/callback');
  await page.getByText(user.accounts[0].number).first().waitFor();
  await page.goto(receipt);
  assert.equal(await inEnglish(page, known), 'AL-510');
}));

for (const name of ['ng.locked', 'ng.setup', 'ng.general', 'ng.noaccount', 'ng.ended', 'core.closed', 'core.down']) {
  test(`the page that tells ${name} why there is no way on speaks English`, here.with({ language: 'en-US' }, async ({ journey, demo, page }) => {
    const user = demo.user(name);
    await page.goto(demo.fixed.url);
    await journey.press('Link bank accounts');
    await journey.field('Login ID').fill(user.loginId);
    await journey.field('Login password').fill(user.password);
    await journey.press('Link by API');
    assert.match(await inEnglish(page, names(demo.manifest, user)), /^AL-9\d\d$/);
  }));
}
