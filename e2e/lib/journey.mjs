// The journey as a person goes through it: headings, fields and buttons are found by
// the manual's names, and by nothing that only a program would see.
import assert from 'node:assert/strict';

/** Each screen's first heading, in the manual's words. */
export const headings = {
  'AL-100': 'API連携認証（利用登録）',
  'AL-111': 'API連携認証（利用登録）',
  'AL-200': 'API連携認証（追加認証）（利用登録）',
  'AL-300': 'API連携認証（認可業務選択）（利用登録）',
  'AL-400': 'API連携認証（照会用暗証番号登録）（利用登録）',
  'AL-410': 'API連携認証（照会用暗証番号登録結果）',
  'AL-500': 'API連携認証（情報アクセス許可）（利用登録）',
  'AL-510': 'API連携認証（受付完了）（利用登録）',
};

export class Journey {
  /** `look` is called with the page and the screen's number whenever a screen is reached. */
  constructor(page, { look = async () => {} } = {}) {
    this.page = page;
    this.look = look;
    this.screens = [];
  }

  /** Presses the partner's button, which leads to the first screen. */
  async begin(partner) {
    this.partner = partner;
    await this.page.goto(partner.url);
    await this.press('銀行口座を連携する');
    await this.at('AL-100');
    return this;
  }

  /** Goes by a link, as one that a partner would redirect to. */
  async beginAt(url) {
    await this.page.goto(url);
    await this.at('AL-100');
    return this;
  }

  /** Waits for a screen by its number and heading. */
  async at(screen) {
    await this.page.locator('.ids dd', { hasText: new RegExp(`^${screen}$`) }).waitFor();
    const heading = headings[screen];
    if (heading) await this.page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor();
    this.screens.push(screen);
    await this.look(this.page, screen);
    return this;
  }

  /** The number of the screen that is shown. */
  async screen() {
    return (await this.page.locator('.ids dd').first().textContent()).trim();
  }

  button(name) {
    return this.page.getByRole('button', { name, exact: true }).or(this.page.getByRole('link', { name, exact: true })).first();
  }

  /** Presses a button that leads to a page, be it the same one with an error. */
  async press(name) {
    const arrived = this.page.waitForEvent('framenavigated', (frame) => frame === this.page.mainFrame());
    await Promise.all([arrived, this.button(name).click()]);
  }

  field(name) {
    return this.page.getByRole('textbox', { name }).first();
  }

  async typePassword(user) {
    await this.field('ログインパスワード').fill(user.password);
  }

  async sendLogin(user) {
    await this.field('ログインID').fill(user.loginId);
    await this.typePassword(user);
    await this.press('API連携');
  }

  /** 手順1-2 */
  async logIn(user, next) {
    await this.sendLogin(user);
    return this.at(next);
  }

  /** 手順1-1 */
  async logInByCertificate(user, next) {
    await this.press('電子証明書ログイン');
    await this.at('AL-111');
    await this.typePassword(user);
    await this.press('API連携');
    return this.at(next);
  }

  /** 手順2 */
  async answer(user, next, words = user.answer) {
    await this.field('回答').fill(words);
    await this.press('認証');
    return this.at(next);
  }

  /** 手順3: exactly the named functions, beside those that must be had. */
  async chooseFunctions(next, ...names) {
    for (const row of await this.page.getByRole('row').filter({ has: this.page.getByRole('checkbox') }).all()) {
      const called = await row.getByRole('rowheader').innerText();
      await row.getByRole('checkbox').setChecked(names.some((name) => called.startsWith(name)));
    }
    await this.press('次へ');
    return this.at(next);
  }

  pinField(account) {
    return this.page.getByRole('textbox', { name: new RegExp(`${account.number}.*照会用暗証番号（現在）`) });
  }

  pinBox(account) {
    return this.page.getByRole('checkbox', { name: new RegExp(account.number) });
  }

  row(account) {
    return this.page.getByRole('row').filter({ hasText: account.number });
  }

  /** 登録状態 of each row of 手順4 or 5, by account number. */
  async states() {
    const found = {};
    for (const row of await this.page.locator('tbody tr').all()) {
      const number = (await row.getByRole('rowheader').textContent()).match(/\d{7}/)[0];
      found[number] = (await row.locator('.tag').textContent()).trim();
    }
    return found;
  }

  /** 手順4: types the PINs of the given accounts, or of all that stand chosen. */
  async registerPINs(user, next, accounts) {
    for (const account of user.accounts) {
      if (accounts ? !accounts.includes(account) : !(await this.pinBox(account).isChecked())) continue;
      await this.pinBox(account).check();
      await this.pinField(account).fill(account.pin);
    }
    await this.press('登録');
    return this.at(next);
  }

  /** 手順5, イ */
  async confirm() {
    await this.press('確定');
    return this.at('AL-500');
  }

  /** 手順6 */
  async allow() {
    await this.page.getByRole('radio', { name: '許可手続きを継続する' }).check();
    await this.press('許可');
  }

  /** Back at the partner, each account stands there with its balance. */
  async seesBalances(...accounts) {
    await this.page.waitForURL((url) => url.href.startsWith(this.partner.url) && !url.pathname.startsWith('/callback'));
    for (const account of accounts) {
      const shown = this.page.getByText(account.number).first();
      await shown.waitFor();
    }
    const text = await this.page.locator('main').innerText();
    const figures = text.match(/[\d,]+\s*円/g) ?? [];
    assert.ok(figures.length >= accounts.length, `${accounts.length} balances expected, seen: ${text}`);
    return figures;
  }
}
