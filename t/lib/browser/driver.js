// Drives Debian's Chromium for Test::Gate::Browser, with a profile of its own
// that is gone with it: one order a line of stdin, one answer a line of stdout,
// both JSON.  An answer has "value" or "error".  Ends with stdin.
//
//   { "do": "page", ... }   a new page in a world of its own: width, height,
//                           language, dark, touch; cert and key (files) and
//                           the origin they are for; what was open is closed
//   { "do": "open", "url": ... }          { "status", "headers", "url" }
//   { "do": "click" | "text" | "count", "at": selector }
//   { "do": "fill", "at": selector, "text": ... }
//   { "do": "wait", "at": selector }      until it is visible
//   { "do": "run", "script": ... }        an expression's value
//   { "do": "shot", "file": ... }         all of the page, as PNG
//   { "do": "said" }                      what the console and errors said, and
//                                         requests that failed, since "page"
//   { "do": "axe" }                       faults of accessibility, a line each

'use strict';

const fs = require('fs');
const path = require('path');
const readline = require('readline');

const modules = process.argv[2];
const { chromium } = require(path.join(modules, 'playwright-core'));
const axe = fs.readFileSync(path.join(modules, 'axe-core', 'axe.min.js'),
                            'utf8');

let browser, context, page, said;

const orders = {

    async page(o) {
        if (context) await context.close();

        said = [];
        context = await browser.newContext({
            viewport: { width: o.width || 1280, height: o.height || 800 },
            locale: o.language || 'en',
            colorScheme: o.dark ? 'dark' : 'light',
            hasTouch: !!o.touch, isMobile: !!o.touch,
            deviceScaleFactor: o.touch ? 2 : 1,
            extraHTTPHeaders: o.headers || {},
            ignoreHTTPSErrors: true,
            clientCertificates: o.cert ? [ { origin: o.origin,
                                             certPath: o.cert,
                                             keyPath: o.key || o.cert } ] : [],
        });
        page = await context.newPage();

        page.on('console', m => {
            if (m.type() !== 'log') said.push(m.type() + ': ' + m.text());
        });
        page.on('pageerror', e => said.push('error: ' + e.message));
        page.on('requestfailed', r => said.push('failed: ' + r.url()));
    },

    async open(o) {
        const r = await page.goto(o.url);
        return { status: r.status(), headers: await r.allHeaders(),
                 url: page.url() };
    },

    async click(o) { await page.click(o.at); },
    async fill(o) { await page.fill(o.at, o.text); },
    async wait(o) { await page.waitForSelector(o.at); },
    async text(o) { return page.innerText(o.at); },
    async count(o) { return page.locator(o.at).count(); },
    async run(o) { return page.evaluate(o.script); },
    async shot(o) { await page.screenshot({ path: o.file, fullPage: true }); },
    async said() { return said; },

    async axe() {
        await page.evaluate(axe + '\n;0');
        const r = await page.evaluate('axe.run(document)');
        return r.violations.map(v => v.id + ': ' + v.help + ' ('
                                     + v.nodes.map(n => n.target).join(' ')
                                     + ')');
    },
};

async function obey(line) {
    const order = JSON.parse(line);

    try {
        const value = await orders[order.do](order);
        return { value: value === undefined ? null : value };

    } catch (e) {
        return { error: e.message };
    }
}

(async () => {
    browser = await chromium.launch({
        executablePath: '/usr/bin/chromium', headless: true,
        args: [ '--no-sandbox', '--disable-gpu', '--disable-quic',
                '--no-first-run', '--disable-background-networking',
                '--disable-component-update', '--disable-sync' ],
    });

    for await (const line of readline.createInterface(process.stdin)) {
        process.stdout.write(JSON.stringify(await obey(line)) + '\n');
    }

    await browser.close();
})();
