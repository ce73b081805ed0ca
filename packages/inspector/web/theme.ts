/** Light or dark: as the system says, or as the reader chose. Colours are those of the sweep report's plots. */
import { signal } from '@preact/signals';
import { DARK, LIGHT, PLOT_STYLE } from '@selective-dpo/sweeps/plots';

export type Theme = 'system' | 'light' | 'dark';
export const THEMES: readonly Theme[] = ['system', 'light', 'dark'];

const STORED = 'selective-dpo-theme';
export const theme = signal<Theme>('system');

/** Brings the palettes in by CSSOM, which a policy without inline styles allows, and what was chosen before. */
export function startTheme(): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`:root{${LIGHT}}:root[data-theme=dark]{${DARK}}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){${DARK}}}${PLOT_STYLE}`);
  document.adoptedStyleSheets = [sheet];
  const before = stored();
  chooseTheme(THEMES.find((one) => one === before) ?? 'system');
}

/** Shows a theme and remembers it. */
export function chooseTheme(chosen: Theme): void {
  theme.value = chosen;
  document.documentElement.dataset['theme'] = chosen;
  try {
    localStorage.setItem(STORED, chosen);
  } catch {
    // A page without storage forgets the choice; nothing else depends on it.
  }
}

function stored(): string | null {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}
