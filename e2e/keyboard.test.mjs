// The whole journey by the keyboard alone, with a visible focus at every stop.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suite } from './lib/suite.mjs';

const here = suite();

/** Goes on by Tab until what has the focus matches, and sees the focus at every stop. */
async function tabTo(page, wanted, { most = 60 } = {}) {
  for (let n = 0; n < most; n++) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const it = document.activeElement;
      // The ring of a box stands around its whole card.
      const ringed = [it, it.parentElement, it.closest('label, .card, .choice')].filter(Boolean).map((one) => getComputedStyle(one));
      const box = it.getBoundingClientRect();
      const label = it.labels?.[0]?.innerText ?? '';
      const row = it.closest('tr')?.innerText ?? '';
      return {
        name: [it.innerText, it.value, it.getAttribute('aria-label'), label, row].join(' '), tag: it.tagName, type: it.type,
        seen: ringed.some((style) => style.outlineStyle !== 'none'), within: box.top >= 0 && box.bottom <= innerHeight + 1,
      };
    });
    if (at.tag === 'BODY') continue;
    assert.ok(at.seen, `no visible focus at ${at.tag} ${at.name}`);
    assert.ok(at.within, `${at.tag} ${at.name} has the focus out of sight`);
    if (wanted(at)) return at;
  }
  throw new Error('Tab never came there');
}

const button = (name) => (at) => (at.tag === 'BUTTON' || at.tag === 'A') && at.name.trim().startsWith(name);
const field = (words) => (at) => at.tag === 'INPUT' && words.test(at.name) && at.type !== 'checkbox' && at.type !== 'radio';

async function pressed(page, key = 'Enter') {
  const arrived = page.waitForEvent('framenavigated', (frame) => frame === page.mainFrame());
  await Promise.all([arrived, page.keyboard.press(key)]);
}

test('all six steps by Tab, arrows, Space and Enter', here.with({}, async ({ journey, demo, page }) => {
  const user = demo.user('all.steps');
  journey.partner = demo.choosing;
  await page.goto(demo.choosing.url);
  await tabTo(page, button('銀行口座を連携する'));
  await pressed(page);
  await journey.at('AL-100');
  await tabTo(page, field(/ログインID/));
  await page.keyboard.type(user.loginId);
  await tabTo(page, field(/ログインパスワード/));
  await page.keyboard.type(user.password);
  await tabTo(page, button('API連携'));
  await pressed(page);
  await journey.at('AL-200');
  await tabTo(page, field(/回答/));
  await page.keyboard.insertText(user.answer);
  await tabTo(page, button('認証'));
  await pressed(page, 'Space');
  await journey.at('AL-300');
  await tabTo(page, (at) => at.type === 'checkbox' && /振込入金/.test(at.name));
  await page.keyboard.press('Space');
  await tabTo(page, button('次へ'));
  await pressed(page);
  await journey.at('AL-400');
  for (const account of user.accounts) {
    await tabTo(page, field(new RegExp(account.number)));
    await page.keyboard.type(account.pin);
  }
  await tabTo(page, button('登録'));
  await pressed(page);
  await journey.at('AL-410');
  await tabTo(page, button('確定'));
  await pressed(page);
  await journey.at('AL-500');
  await tabTo(page, (at) => at.type === 'radio');
  await page.keyboard.press('Space');
  assert.equal(await page.getByRole('radio', { name: '許可手続きを継続する' }).isChecked(), true);
  await tabTo(page, (at) => at.tag === 'BUTTON' && at.name.trim() === '許可');
  await pressed(page);
  await journey.seesBalances(...user.accounts);
}));
