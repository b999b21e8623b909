// What happens when the time of a page runs out, in a demo whose pages are good for a
// few seconds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, fits } from './lib/checks.mjs';
import { suite } from './lib/suite.mjs';

const seconds = 6;
const here = suite({ demo: ['--idle-for', `${seconds}s`] });

test('AL-930 after the login: says that the time is up, with 410, and leads back to the partner', here.with({ scripts: false }, async ({ journey, demo, page }) => {
  await journey.begin(demo.fixed);
  await journey.logIn(demo.user('ok.pw'), 'AL-500');
  await page.waitForTimeout((seconds + 1) * 1000);
  const answer = page.waitForResponse((response) => response.request().isNavigationRequest() && response.status() !== 303);
  await journey.press('許可');
  assert.equal((await answer).status(), 410);
  await journey.at('AL-930');
  await page.getByRole('heading', { level: 1, name: '制限時間を超えました' }).waitFor();
  await fits(page, 'AL-930');
  await journey.press('連携先へ戻る');
  await page.waitForURL((url) => url.href.startsWith(demo.fixed.url));
  assert.doesNotMatch(await page.locator('main').innerText(), /[\d,]+\s*円/);
}));

test('the warning comes before the end and offers more time, which is given without losing the page', here.with({}, async ({ journey, demo, page }) => {
  await journey.begin(demo.fixed);
  const dialog = page.getByRole('dialog', { name: 'まもなく制限時間になります' });
  await dialog.waitFor();
  await accessible(page, 'the warning');
  await dialog.getByRole('button', { name: '時間を延長する' }).click();
  await page.getByText('時間を延長しました。').waitFor({ state: 'attached' });
  assert.equal(await journey.screen(), 'AL-100');
}));
