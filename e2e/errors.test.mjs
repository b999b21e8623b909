// Every page AL-9xx that a customer can meet, by the user of the demo bank who is its
// case: its number and heading, its status, what it tells to do next, and the headers
// of every answer on the way.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { accessible, complete, fits, guarded } from './lib/checks.mjs';
import { phone } from './lib/chromium.mjs';
import { Pusher, send } from './lib/partner.mjs';
import { suite } from './lib/suite.mjs';

const here = suite();
const run = promisify(execFile);
const binary = join(import.meta.dirname, '..', 'bin', 'renkei');

/** Every page that the bank answers with, looked at as it comes. */
function watch(page, demo) {
  const seen = { checks: [] };
  page.on('response', (response) => {
    const request = response.request();
    const at = new URL(response.url());
    if (!request.isNavigationRequest() || at.origin !== demo.issuer) return;
    seen.status = response.status();
    seen.checks.push(response.allHeaders().then((headers) => guarded(headers, `${response.status()} ${at.pathname}`)));
  });
  return seen;
}

async function refused(page, seen, { screen, status, heading, says }) {
  await page.locator('.ids dd', { hasText: new RegExp(`^${screen}$`) }).waitFor();
  await page.getByRole('heading', { level: 1, name: heading }).waitFor();
  const text = await page.locator('main').innerText();
  for (const words of says) assert.match(text, words, screen);
  assert.match(await page.locator('.ids').innerText(), /\d{4}-\d{4}-\d{4}/, `${screen}: お問い合わせ番号`);
  assert.equal(seen.status, status, screen);
  await Promise.all(seen.checks);
  await complete(page, screen);
  await accessible(page, screen);
  await fits(page, screen);
  await page.setViewportSize(phone);
  await fits(page, `${screen} on a phone`);
}

const byPassword = [
  ['ng.locked', 'AL-910', 403, /停止/, [/解除できる方/, /マスターユーザ/]],
  ['ng.setup', 'AL-911', 403, /初期設定/, [/インターネットバンキング/]],
  ['ng.mustchange', 'AL-911', 403, /初期設定/, [/パスワード/]],
  ['ng.noanswers', 'AL-911', 403, /初期設定/, [/質問|回答/]],
  ['ng.general', 'AL-912', 403, /権限/, [/マスターユーザ|管理者/]],
  ['ng.noaccount', 'AL-913', 403, /口座/, [/マスターユーザ|管理者|取引店/]],
  ['ng.ended', 'AL-914', 403, /契約/, [/取引店/]],
  ['core.closed', 'AL-920', 503, /サービス時間外/, [/7:00|07:00/, /連携先の画面から/]],
  ['core.down', 'AL-950', 503, /一時的に処理できません/, [/二重に許可されることはありません/, /しばらくたってから/]],
  ['bank.down', 'AL-950', 503, /一時的に処理できません/, [/しばらくたってから/]],
];

for (const [name, screen, status, heading, says] of byPassword) {
  test(`${screen} ${name}`, here.with({}, async ({ journey, demo, page }) => {
    const seen = watch(page, demo);
    await journey.begin(demo.fixed);
    await journey.sendLogin(demo.user(name));
    await refused(page, seen, { screen, status, heading, says });
    await journey.press('連携先へ戻る');
    await page.waitForURL((url) => url.href.startsWith(demo.fixed.url));
  }));
}

const byCertificate = [
  ['ng.expired', 'AL-902', /有効期限|有効期間/, [/20\d\d年/, /別の証明書でやり直す/]],
  ['ng.early', 'AL-902', /有効期限|有効期間/, [/20\d\d年/]],
  ['ng.revoked', 'AL-903', /失効/, [/ng\.revoked/]],
  ['ng.foreign', 'AL-904', 'この金融機関の証明書ではありません', [/ng\.foreign/]],
  ['ng.usage', 'AL-905', /ログインに使えない/, [/ng\.usage/]],
  ['ng.unbound', 'AL-905', /ログイン|利用者/, [/ng\.unbound/]],
];

for (const [name, screen, heading, says] of byCertificate) {
  test(`${screen} ${name}`, here.with({ holder: name }, async ({ journey, demo, page }) => {
    const seen = watch(page, demo);
    await journey.begin(demo.fixed);
    await journey.press('電子証明書ログイン');
    await refused(page, seen, { screen, status: 403, heading, says });
    await journey.press('別の証明書でやり直す');
    await page.locator('.ids dd', { hasText: new RegExp(`^${screen}$`) }).waitFor();
    assert.equal(await page.getByLabel('ログインパスワード').count(), 0, 'no password is asked for');
  }));
}

test('AL-901: no certificate at all; the password way is still open', here.with({}, async ({ journey, demo, page }) => {
  const seen = watch(page, demo);
  await journey.begin(demo.fixed);
  await journey.press('電子証明書ログイン');
  await refused(page, seen, { screen: 'AL-901', status: 403, heading: '証明書が見つかりません', says: [/期限/] });
}));

test('AL-910 with a certificate: a stopped user learns it after the right password', here.with({ holder: 'ng.locked.cert' }, async ({ journey, demo, page }) => {
  const seen = watch(page, demo);
  await journey.begin(demo.fixed);
  await journey.press('電子証明書ログイン');
  await journey.at('AL-111');
  await journey.typePassword(demo.user('ng.locked.cert'));
  await journey.press('API連携');
  await refused(page, seen, { screen: 'AL-910', status: 403, heading: /停止/, says: [] });
}));

test('wrong passwords: the same words for an unknown id, a wrong password and a certificate user; then a stop', here.with({}, async ({ journey, demo, page }) => {
  const said = new Set();
  for (const loginId of ['nobody.there', 'team.admin', 'ok.cert']) {
    await journey.begin(demo.fixed);
    await journey.sendLogin({ loginId, password: 'not-the-password' });
    await journey.at('AL-100');
    said.add(await page.locator('#error-summary, [role=alert]').first().innerText());
    assert.equal(await journey.field('ログインID').inputValue(), loginId);
  }
  assert.equal(said.size, 1, [...said].join('\n---\n'));
  await journey.begin(demo.fixed);
  for (let n = 0; n < 5; n++) await journey.sendLogin({ loginId: 'nobody.else', password: `wrong-${n}` });
  await page.locator('.ids dd', { hasText: /^AL-910$/ }).waitFor();
  await page.getByText(/\d+:\d\d/).first().waitFor();
}));

test('AL-940: a link that was used up, another partner’s, made up or without parts never leads back', here.with({}, async ({ demo, page }) => {
  const seen = watch(page, demo);
  const pusher = new Pusher(demo);
  const { metadata, body } = await pusher.push();
  const spent = new URL(pusher.at(metadata, JSON.parse(body).request_uri));
  const other = new URL(spent);
  other.searchParams.set('client_id', 'somebody-else');
  for (const address of [
    other.href, `${metadata.authorization_endpoint}?client_id=x&request_uri=urn%3Amade-up`, metadata.authorization_endpoint,
    `${spent.href}&client_id=twice`,
  ]) {
    await page.goto(address);
    await refused(page, seen, { screen: 'AL-940', status: 400, heading: '連携要求が正しくありません', says: [/連携先の画面から/] });
    assert.equal(new URL(page.url()).origin, demo.issuer);
  }
}));

test('AL-941: a partner that is stopped in mid-journey', here.with({}, async ({ journey, demo, page }) => {
  const seen = watch(page, demo);
  const { partner_id: id } = new Pusher(demo).client;
  await journey.begin(demo.choosing);
  await run(binary, ['partner', 'stop', '--data', demo.data, '--reason', 'a test', id ?? 'mihon-kaikei']);
  try {
    await page.waitForTimeout(1000); // the bank promises a second
    await journey.sendLogin(demo.user('team.admin'));
    await refused(page, seen, { screen: 'AL-941', status: 400, heading: /停止/, says: [/見本会計クラウド/] });
  } finally {
    await run(binary, ['partner', 'resume', '--data', demo.data, '--reason', 'a test', id ?? 'mihon-kaikei']);
  }
}));

test('every other answer of the bank carries the headers too', async () => {
  const { demo } = here;
  for (const [path, options, status] of [
    ['/nothing-here', {}, 404], ['//authorize', {}, 404], ['/link/jny_unknown/login', {}, 400],
    ['/token', { method: 'POST' }, undefined], ['/link/jny_unknown/login', { method: 'POST', headers: { Origin: 'https://evil.example' } }, 403],
    ['/authorize', { method: 'PUT' }, 405],
  ]) {
    const answer = await send(demo, demo.issuer + path, options);
    if (status) assert.equal(answer.status, status, path);
    guarded(answer.headers, `${options.method ?? 'GET'} ${path}`);
  }
});
