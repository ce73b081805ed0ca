/** The two answers as one text: what they share, and what each has alone. */
import { useMemo } from 'preact/hooks';
import type { PairContent } from '../data/pair-content.js';
import { alignTokens } from '../text/token-difference.js';
import type { TokenTexts } from '../text/token-text.js';
import { Pieces } from './token-pieces.js';

export function Difference({ pair, texts }: { pair: PairContent; texts: TokenTexts }) {
  const { chosenIds, rejectedIds } = pair;
  const stretches = useMemo(() => alignTokens(chosenIds, rejectedIds), [pair]);
  const shared = stretches.reduce((sum, { kind, a, aEnd }) => sum + (kind === 'same' ? aEnd - a : 0), 0);
  return (
    <section class="card" aria-label="Difference of the answers">
      <h2>Difference</h2>
      <p class="note">
        {shared} tokens are shared. <ins class="only">+ chosen alone</ins>{' '}
        <del class="only">− rejected alone</del>
      </p>
      <div class="tokens">
        {stretches.map(({ kind, a, aEnd, b, bEnd }, i) =>
          kind === 'same' ? (
            <Text key={i} ids={chosenIds.subarray(a, aEnd)} texts={texts} />
          ) : (
            <span key={i}>
              {aEnd > a && (
                <ins class="only">
                  <span class="mark">+</span>
                  <Text ids={chosenIds.subarray(a, aEnd)} texts={texts} />
                </ins>
              )}
              {bEnd > b && (
                <del class="only">
                  <span class="mark">−</span>
                  <Text ids={rejectedIds.subarray(b, bEnd)} texts={texts} />
                </del>
              )}
            </span>
          ),
        )}
      </div>
    </section>
  );
}

function Text({ ids, texts }: { ids: Int32Array; texts: TokenTexts }) {
  return (
    <>
      {texts.shownTogether(ids).map(({ pieces }, i) => (
        <bdi key={i}>
          <Pieces pieces={pieces} />
        </bdi>
      ))}
    </>
  );
}
