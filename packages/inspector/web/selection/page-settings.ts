/** What the reader chose, kept from one pair to the next. */
import { signal } from '@preact/signals';
import type { SiteDescription } from '../../src/site-contract.js';
import type { Tint } from '../text/tint.js';
import { DEFAULT_SETTINGS, SELECTION_RULES, type SelectionSettings } from './reselect.js';

export const settings = signal<SelectionSettings>(DEFAULT_SETTINGS);
export const tint = signal<Tint>('score');
export const showDifference = signal(false);

/** Begins with the settings of the run that is looked at. */
export function startSettings({ run }: SiteDescription): void {
  const config = run?.config ?? {};
  const number = (key: string, otherwise: number) => {
    const value = Object.hasOwn(config, key) ? config[key] : undefined;
    return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
  };
  const { keep, spanWindow, seed, spanUnit } = DEFAULT_SETTINGS;
  settings.value = {
    ...DEFAULT_SETTINGS,
    rule: SELECTION_RULES.find((rule) => rule === config['selection']) ?? DEFAULT_SETTINGS.rule,
    keep: Math.min(1, Math.max(0.01, number('keep', keep))),
    spanUnit: config['spanUnit'] === 'sentence' ? 'sentence' : spanUnit,
    spanWindow: number('spanWindow', spanWindow),
    seed: number('seed', seed),
  };
}
