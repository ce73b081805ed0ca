/** Figures with their names. */
import type { ComponentChildren } from 'preact';
import { shownNumber } from '@selective-dpo/sweeps/plots';

export interface Fact {
  name: string;
  value: ComponentChildren;
  note?: string | undefined;
}

export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl class="facts">
      {facts.map(({ name, value, note }) => (
        <div class="card fact" key={name}>
          <dt>{name}</dt>
          <dd>
            <b>{value}</b>
            {note !== undefined && <small>{note}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** A count with thin spaces between thousands. */
export function shownCount(count: number): string {
  return Number.isInteger(count)
    ? count.toLocaleString('en-US').replaceAll(',', '\u202f')
    : shownNumber(count);
}

/** A share in percent with one decimal. */
export function shownShare(share: number): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(1)}%` : '–';
}
