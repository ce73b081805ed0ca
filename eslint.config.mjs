import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/**
 * Which workspace packages each package may import. Imports point one way:
 * torture → fuzz, cli → inspector, evaluation, server, stats → sweeps → trainer, ref-scorer, generation, hub → model, data → foundation; model and data do not know each other.
 */
const mayImport = {
  foundation: [],
  data: ['foundation'],
  model: ['foundation'],
  hub: ['foundation', 'model'],
  'ref-scorer': ['foundation', 'data', 'model'],
  trainer: ['foundation', 'data', 'model'],
  generation: ['foundation', 'data', 'model'],
  stats: ['foundation', 'data'],
  server: ['foundation', 'data', 'model', 'generation'],
  evaluation: ['foundation', 'data', 'model', 'trainer', 'generation'],
  sweeps: ['foundation', 'data', 'model', 'trainer'],
  inspector: ['foundation', 'data', 'model', 'trainer', 'sweeps'],
  cli: [
    'foundation',
    'data',
    'model',
    'hub',
    'ref-scorer',
    'trainer',
    'generation',
    'server',
    'stats',
    'evaluation',
    'sweeps',
    'inspector',
  ],
  fuzz: ['foundation', 'data', 'model', 'trainer', 'server', 'sweeps'],
  torture: ['foundation', 'data', 'model', 'ref-scorer', 'trainer', 'fuzz'],
};

const boundaries = Object.entries(mayImport).map(([name, allowed]) => ({
  files: [`packages/${name}/{src,web}/**/*.{ts,tsx}`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            regex: `^@selective-dpo/(?!(?:${allowed.join('|') || 'none'})(?:/[a-z-]+)?$)`,
            message: `packages/${name} may import only: ${allowed.join(', ') || 'no workspace package'}.`,
          },
          { regex: '^(?:\\.\\./)+[a-z-]+/src', message: 'Import a package by its name, never by path.' },
        ],
      },
    ],
  },
}));

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '.nx/**', 'packages/*/assembly/**'] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  {
    rules: {
      'no-console': 'error',
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off',
      'max-lines-per-function': ['error', { max: 80, skipBlankLines: true, skipComments: true }],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ['**/test/**', '**/*.mjs', '**/bin/**', '**/scripts/**'],
    rules: { 'max-lines-per-function': 'off', 'no-console': 'off' },
    languageOptions: { globals: { console: 'readonly', process: 'readonly', URL: 'readonly' } },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "CallExpression[callee.name=/^mkdir(Sync)?$/] Property[key.name='recursive']",
          message: 'It never ends below /proc: use makeFolder of @selective-dpo/foundation.',
        },
      ],
    },
  },
  ...boundaries,
);
