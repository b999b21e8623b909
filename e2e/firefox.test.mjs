// Both logins once through in Debian's Firefox, driven over WebDriver BiDi, with the
// demo's authority trusted and the customer's certificate in the profile.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { Demo } from './lib/demo.mjs';
import { headings } from './lib/journey.mjs';
import { certificateStore } from './lib/trust.mjs';

let demo;
before(async () => { demo = await Demo.open(); });
after(() => demo.close());

/** A person at a Firefox of their own; `holder` names the user whose certificate it holds. */
async function firefox(holder, go) {
  const profile = await mkdtemp(join(tmpdir(), 'renkei-firefox-'));
  await certificateStore(profile, demo.ca, ...(holder ? [demo.p12(demo.user(holder))] : []));
  const browser = await puppeteer.launch({
    browser: 'firefox', executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr', headless: true, userDataDir: profile,
    protocolTimeout: 120_000,
    extraPrefsFirefox: {
      'security.default_personal_cert': 'Select Automatically', 'intl.accept_languages': 'ja', 'network.proxy.type': 0,
      'network.captive-portal-service.enabled': false, 'network.connectivity-service.enabled': false,
    },
  });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(60_000);
    await go(page);
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Waits until the first heading is the wanted one. */
async function at(page, screen) {
  await page.waitForFunction((words) => document.querySelector('h1')?.textContent.replace(/\s/g, '') === words, {}, headings[screen]);
}

async function press(page, name) {
  const arrived = page.waitForNavigation({ waitUntil: 'domcontentloaded' });
  const found = await page.evaluateHandle((words) => [...document.querySelectorAll('button, a')].find((one) => one.textContent.trim() === words), name);
  assert.ok(found.asElement(), `there is no button ${name}`);
  await Promise.all([arrived, found.asElement().click()]);
}

async function throughTheRest(page, user) {
  for (const [screen, button] of [['AL-300', '次へ'], ['AL-500', '許可']]) {
    await at(page, screen);
    if (screen === 'AL-500') await page.click('input[type=radio][value=proceed]');
    await press(page, button);
  }
  await page.waitForFunction((numbers) => numbers.every((one) => document.body.innerText.includes(one)) && /[\d,]+\s*円/.test(document.body.innerText),
    {}, user.accounts.map((one) => one.number));
}

test('Firefox, ID and password: from the partner’s button to the balances', () => firefox(undefined, async (page) => {
  const user = demo.user('ok.pw');
  await page.goto(demo.choosing.url);
  await press(page, '銀行口座を連携する');
  await at(page, 'AL-100');
  await page.type('input[autocomplete=username]', user.loginId);
  await page.type('form[action$="/login"] input[autocomplete=current-password]', user.password);
  await press(page, 'API連携');
  await throughTheRest(page, user);
}));

test('Firefox, certificate: the browser presents it, the page names it, the password follows', () => firefox('cert.expiring', async (page) => {
  const user = demo.user('cert.expiring');
  await page.goto(demo.choosing.url);
  await press(page, '銀行口座を連携する');
  await at(page, 'AL-100');
  await press(page, '電子証明書ログイン');
  await page.waitForSelector('form[action$="/certificate"] input[type=password]');
  assert.match(await page.evaluate(() => document.body.innerText), /cert\.expiring/);
  await page.type('form[action$="/certificate"] input[type=password]', user.password);
  await press(page, 'API連携');
  await at(page, 'AL-300');
  await press(page, '次へ');
  await at(page, 'AL-400');
  const fields = await page.$$('form[action$="/pin"] tbody input[inputmode=numeric]');
  const chosen = await page.$$eval('form[action$="/pin"] tbody input[type=checkbox]', (all) => all.map((one) => one.checked));
  for (const [n, field] of fields.entries()) if (chosen[n]) await field.type(user.accounts[n].pin);
  await press(page, '登録');
  await at(page, 'AL-410');
  await press(page, '確定');
  await at(page, 'AL-500');
  await page.click('input[type=radio][value=proceed]');
  await press(page, '許可');
  await page.waitForFunction(() => /[\d,]+\s*円/.test(document.body.innerText));
}));

test('Firefox, a revoked certificate: the page says which one, and the next name asks anew', () => firefox('ng.revoked', async (page) => {
  await page.goto(demo.fixed.url);
  await press(page, '銀行口座を連携する');
  await at(page, 'AL-100');
  const shown = () => page.waitForFunction(() => document.body.innerText.includes('AL-903') && document.body.innerText.includes('ng.revoked'));
  await press(page, '電子証明書ログイン');
  await shown();
  const next = await page.$$eval('a', (all) => all.find((one) => one.textContent.trim() === '別の証明書でやり直す').hostname);
  assert.match(next, /^cert[2-9]\.localhost$/);
  await press(page, '別の証明書でやり直す');
  await shown();
}));
