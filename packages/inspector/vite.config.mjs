import { defineConfig } from 'vite';

/** The page: one script, one style sheet, one worker, all by relative addresses, so that it works in any folder of a host. */
export default defineConfig({
  root: 'web',
  base: './',
  resolve: { conditions: ['@selective-dpo/source', 'browser', 'module', 'import', 'default'] },
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    target: 'es2022',
    // From these on :dir() is known; for older ones it would become a list of languages, which is something else.
    cssTarget: ['chrome120', 'firefox117', 'safari16.4'],
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
  worker: { format: 'es' },
});
