/** A row of the list of pairs. */
import { shownNumber } from '@selective-dpo/sweeps/plots';
import { DUPLICATE_KINDS, type PairTable } from '../data/pair-table.js';
import type { PairText } from '../data/pair-texts.js';
import { marginOf, verdictOf } from '../pairs/pair-filter.js';
import type { SearchHit } from '../text/search.js';
import { shownLine, shownPassage } from '../text/token-text.js';

/** Words for what a pair has in common with an earlier one. */
const KIND_WORDS: Readonly<Record<(typeof DUPLICATE_KINDS)[number], string>> = {
  none: '',
  pair: 'repeats',
  swapped: 'contradicts',
  prompt: 'prompt of',
  near: 'nearly',
};
const MAX_TEXT = 220;

interface PairRowProps {
  table: PairTable;
  row: number;
  text: PairText | undefined;
  policyMargin: Float64Array | undefined;
  hit: SearchHit | undefined;
}

export function PairRowHeads({ hasPolicy }: { hasPolicy: boolean }) {
  return (
    <div class="heads" aria-hidden="true">
      <span>pair</span>
      <span>end of the prompt</span>
      <span class="number">prompt</span>
      <span class="number">chosen</span>
      <span class="number">rejected</span>
      <span class="number">margin (ref.)</span>
      {hasPolicy && <span class="number">margin (policy)</span>}
    </div>
  );
}

export function PairRow({ table, row, text, policyMargin, hit }: PairRowProps) {
  const kind = DUPLICATE_KINDS[table.duplicateKind[row]!]!;
  return (
    <>
      <span class="index">{table.pairIndex[row]}</span>
      <span class="opening">
        <span class={hit === undefined ? 'said end' : 'said'} dir="auto">
          <span>
            {hit === undefined ? promptEnd(text) : shownPassage(`${hit.part}: ${hit.around}`, MAX_TEXT)}
          </span>
        </span>
        {kind !== 'none' && (
          <span class="tag">
            {KIND_WORDS[kind]} {table.duplicateOf[row]}
          </span>
        )}
      </span>
      <Tokens name="prompt" count={table.promptTokens[row]!} />
      <Tokens name="chosen" count={table.chosenTokens[row]!} />
      <Tokens name="rejected" count={table.rejectedTokens[row]!} />
      <Margin name="margin of the reference" value={marginOf(table, row)} />
      {policyMargin !== undefined && <Margin name="margin of the policy" value={policyMargin[row]!} />}
    </>
  );
}

/** The end of a prompt, without the sign that it is the assistant's turn, which all have. */
function promptEnd(text: PairText | undefined): string {
  if (text === undefined) return '…';
  if (text.opening === undefined) return shownLine(text.pairId, 80);
  const said = text.opening.replace(/(?<=\S)\s+Assistant:\s*$/, '');
  return shownPassage(said, MAX_TEXT);
}

function Tokens({ name, count }: { name: string; count: number }) {
  return (
    <span class="number">
      <span class="of">{name} </span>
      {count}
    </span>
  );
}

/** Right and wrong are told apart by a sign, not by colour alone. */
function Margin({ name, value }: { name: string; value: number }) {
  if (Number.isNaN(value)) return <span class="number soft">–</span>;
  const verdict = verdictOf(value);
  const sign = { right: '✓', wrong: '✗', tie: '=' }[verdict];
  return (
    <span class={`number margin ${verdict}`}>
      <span class="unseen">{name} </span>
      {shownNumber(value)} <span aria-label={verdict}>{sign}</span>
    </span>
  );
}
