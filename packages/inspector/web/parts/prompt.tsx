/** The prompt as people write it. */
import { useMemo, useState } from 'preact/hooks';
import { turnsOf, type Turn } from '../text/turns.js';
import { shownPieces, type TokenTexts } from '../text/token-text.js';
import { Pieces } from './token-pieces.js';

/** Characters of a turn that are shown before one asks for more, and then. */
const [SHORT, LONG] = [4000, 400_000];

export function Prompt({ ids, texts }: { ids: Int32Array; texts: TokenTexts }) {
  const turns = useMemo(() => (texts.known ? turnsOf(ids, texts) : []), [ids, texts]);
  return (
    <section class="card prompt" aria-label="Prompt">
      <h2>
        Prompt <small>{ids.length} tokens</small>
      </h2>
      {texts.known ? turns.map((turn, i) => <ShownTurn key={i} turn={turn} />) : <Ids ids={ids} />}
    </section>
  );
}

function ShownTurn({ turn: { role, text } }: { turn: Turn }) {
  const [limit, setLimit] = useState(SHORT);
  const { pieces, whole } = shownPieces(text, limit);
  return (
    <div class="turn">
      {role !== undefined && <span class="role">{role}</span>}
      <div class="prose" dir="auto">
        <Pieces
          pieces={pieces.map((piece) => (piece.kind === 'break' ? { kind: 'text', text: '\n' } : piece))}
        />
        {whole !== undefined && limit === SHORT && (
          <button type="button" class="quiet" onClick={() => setLimit(LONG)}>
            … show all {text.length} characters
          </button>
        )}
      </div>
    </div>
  );
}

function Ids({ ids }: { ids: Int32Array }) {
  return (
    <p class="note">
      Ids, since this site has no tokenizer: {Array.from(ids.subarray(0, 400)).join(' ')}
      {ids.length > 400 && ' …'}
    </p>
  );
}
