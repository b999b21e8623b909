// Debian's Firefox over WebDriver BiDi: the second opinion on everything that only a
// browser decides. Its profile trusts the demo and holds a customer's certificate,
// which Firefox presents by itself, in TLS of its own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';
import { certificateStore } from './trust.mjs';

export class Firefox {
  /** Opens a browser with a profile of its own; `holder` is a user of demo.json. */
  static async open(demo, holder) {
    const opened = new Firefox();
    opened.profile = await mkdtemp(join(tmpdir(), 'renkei-firefox-'));
    await certificateStore(opened.profile, demo.ca, ...(holder ? [demo.p12(holder)] : []));
    opened.browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
      userDataDir: opened.profile,
      headless: true,
      defaultViewport: { width: 1280, height: 800 },
      extraPrefsFirefox: {
        'security.default_personal_cert': 'Select Automatically',
        'intl.accept_languages': 'ja',
        // No request of the browser's own leaves the machine.
        'browser.safebrowsing.downloads.enabled': false,
        'network.captive-portal-service.enabled': false,
        'network.connectivity-service.enabled': false,
        'network.trr.mode': 5,
      },
    });
    return opened;
  }

  async page() {
    const page = await this.browser.newPage();
    page.setDefaultTimeout(30_000);
    return page;
  }

  async close() {
    await this.browser.close();
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
