// What every page has to keep, whatever it shows.
import assert from 'node:assert/strict';
import { AxeBuilder } from '@axe-core/playwright';

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa'];

/** No violation of WCAG 2.2 AA that a program can find. */
export async function accessible(page, where) {
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  const found = violations.map((v) => `${v.id} (${v.help}): ${v.nodes.map((n) => n.html).join(' | ')}`);
  assert.deepEqual(found, [], `${where}: accessibility`);
}

/** Nothing lies beyond the right edge. */
export async function fits(page, where) {
  const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(inner <= outer, `${where}: ${inner} px wide in a window of ${outer}`);
}

/** One first heading, a language, a title and something to call about. */
export async function complete(page, where) {
  assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1, `${where}: first headings`);
  assert.match(await page.locator('html').getAttribute('lang'), /^(ja|en)$/, where);
  assert.notEqual(await page.title(), '', where);
}

/** All of it, at the size that the page has. */
export async function lookedAt(page, where) {
  await complete(page, where);
  await fits(page, where);
  await accessible(page, where);
}

const policy = {
  'default-src': "'none'", 'script-src': "'self'", 'style-src': "'self'", 'font-src': "'self'", 'connect-src': "'self'",
  'form-action': "'self'", 'base-uri': "'none'", 'frame-ancestors': "'none'", 'require-trusted-types-for': "'script'",
};

/** The headers that each of the bank's pages carries (lower-case names). */
export function guarded(headers, where) {
  const csp = headers['content-security-policy'] ?? '';
  assert.ok(!csp.includes('unsafe'), `${where}: ${csp}`);
  const directives = Object.fromEntries(csp.split(';').map((one) => one.trim()).filter(Boolean).map((one) => [one.split(' ')[0], one.slice(one.indexOf(' ') + 1)]));
  for (const [name, value] of Object.entries(policy)) assert.equal(directives[name], value, `${where}: ${name} of ${csp}`);
  assert.match(headers['strict-transport-security'] ?? '', /^max-age=\d+/, where);
  assert.equal(headers['x-content-type-options'], 'nosniff', where);
  assert.equal(headers['x-frame-options'], 'DENY', where);
  assert.equal(headers['referrer-policy'], 'same-origin', where);
  assert.equal(headers['cross-origin-opener-policy'], 'same-origin', where);
  assert.equal(headers['cross-origin-resource-policy'], 'same-origin', where);
  assert.ok(headers['permissions-policy'], `${where}: Permissions-Policy`);
  assert.match(headers['cache-control'] ?? '', /no-store/, where);
}
