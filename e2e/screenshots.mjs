// Pictures of every page, on a desk's screen and on a telephone, in screenshots/:
// `npm run screenshots`. A person looks at them; no test compares them.
import { mkdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Chromium, desktop, phone } from './lib/chromium.mjs';
import { Demo } from './lib/demo.mjs';
import { Journey } from './lib/journey.mjs';
import { stayAtHandover } from './lib/suite.mjs';

const folder = fileURLToPath(new URL('screenshots/', import.meta.url));
const refusedByPassword = ['ng.locked', 'ng.setup', 'ng.noanswers', 'ng.general', 'ng.noaccount', 'ng.ended', 'core.closed', 'core.down'];
const refusedByCertificate = ['ng.expired', 'ng.early', 'ng.revoked', 'ng.usage', 'ng.unbound', undefined];

let demo, chromium;
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
let taken = 0;

/** A demo of its own for `go`, since who has linked sees other pages. */
async function fresh(go) {
  demo = await Demo.open();
  chromium = await Chromium.open(demo);
  try {
    await go();
  } finally {
    await chromium.close();
    await demo.close();
  }
}

/** Keeps a picture of a page in both sizes. */
async function picture(page, name) {
  for (const [size, viewport] of Object.entries({ desktop, phone })) {
    await page.setViewportSize(viewport);
    await page.screenshot({ path: `${folder}${name}-${size}.png`, fullPage: true });
    taken++;
  }
  await page.setViewportSize(desktop);
}

async function person(options, go) {
  const context = await chromium.person({ ...options, holder: options.holder && demo.user(options.holder) });
  const page = await context.newPage();
  try {
    await go(page, context);
  } finally {
    await context.close();
  }
}

/** All six steps, with an error at each form, in one language. */
async function journey(language) {
  const name = (screen) => `${language.slice(0, 2)}-${screen}`;
  await person({ language }, async (page, context) => {
    const user = demo.user('all.steps');
    await page.goto(demo.startPage);
    await picture(page, name('start'));
    await page.goto(demo.choosing.url);
    await picture(page, name('partner'));
    await page.locator('main form button').first().click();
    const press = async (selector) => {
      const arrived = page.waitForEvent('framenavigated', (frame) => frame === page.mainFrame());
      await Promise.all([arrived, page.locator(selector).first().click()]);
    };
    const go = (step) => `form[action$="/${step}"] button:not([type=button])`;
    await picture(page, name('AL-100'));
    await press(go('login'));
    await picture(page, name('AL-100-errors'));
    await page.locator('input[autocomplete=username]').fill(user.loginId);
    await page.locator('form[action$="/login"] input[autocomplete=current-password]').fill(user.password);
    await press(go('login'));
    await picture(page, name('AL-200'));
    await press(go('question'));
    await picture(page, name('AL-200-errors'));
    await page.locator('form[action$="/question"] input:not([type=hidden])').first().fill(user.answer);
    await press(go('question'));
    await picture(page, name('AL-300'));
    await press(go('business'));
    await picture(page, name('AL-400'));
    await press(go('pin'));
    await picture(page, name('AL-400-errors'));
    for (const [n, field] of (await page.locator('form[action$="/pin"] tbody input[inputmode=numeric]').all()).entries()) {
      await field.fill(user.accounts[n].pin);
    }
    await press(go('pin'));
    await picture(page, name('AL-410'));
    await press(go('pin-result'));
    await picture(page, name('AL-500'));
    await press(go('consent'));
    await picture(page, name('AL-500-errors'));
    await page.locator('input[type=radio][value=proceed]').check();
    const handover = await stayAtHandover(context);
    await press(go('consent'));
    await picture(page, name('AL-510'));
    await handover.leave();
    await page.reload();
    await page.waitForURL((url) => url.href.startsWith(demo.choosing.url) && url.pathname !== '/callback');
    await picture(page, name('partner-linked'));
    await page.goto(`${demo.choosing.url}wire`);
    await picture(page, name('partner-wire'));
  });
}

await fresh(() => journey('en-US'));
await fresh(() => journey('ja-JP'));
await fresh(async () => {
  await person({ holder: 'cert.expiring' }, async (page) => {
    const steps = new Journey(page);
    await steps.begin(demo.fixed);
    await steps.press('電子証明書ログイン');
    await steps.at('AL-111');
    await picture(page, 'ja-AL-111');
  });
  for (const name of refusedByPassword) {
    await person({}, async (page) => {
      const steps = new Journey(page);
      await steps.begin(demo.fixed);
      await steps.sendLogin(demo.user(name));
      await picture(page, `ja-${await steps.screen()}-${name}`);
    });
  }
  for (const holder of refusedByCertificate) {
    await person({ holder }, async (page) => {
      const steps = new Journey(page);
      await steps.begin(demo.fixed);
      await steps.press('電子証明書ログイン');
      await picture(page, `ja-${await steps.screen()}-${holder ?? 'none'}`);
    });
  }
  await person({}, async (page) => {
    await page.goto(`${demo.issuer}/authorize`);
    await picture(page, 'ja-AL-940');
    await page.goto(`${demo.issuer}/nothing-here`);
    await picture(page, 'ja-not-found');
  });
});
console.log(`${taken} pictures in e2e/screenshots`);
