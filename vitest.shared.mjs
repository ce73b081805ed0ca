import { defineConfig } from 'vitest/config';

const conditions = ['@selective-dpo/source', 'node', 'import', 'module', 'default'];

/** One vitest configuration for every package: tests run from source, native engines live in forked processes. */
export function packageTests(overrides = {}) {
  return defineConfig({
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    test: {
      include: ['test/**/*.test.ts'],
      pool: 'forks',
      maxWorkers: 2,
      testTimeout: 60_000,
      hookTimeout: 60_000,
      reporters: ['default', ['json', { outputFile: 'test-results.json' }]],
      ...overrides,
    },
  });
}
