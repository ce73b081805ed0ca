/** All that is known of one token. Its height does not change, so that nothing jumps. */
import { shownNumber } from '@selective-dpo/sweeps/plots';
import { useState } from 'preact/hooks';
import type { AnswerTokens } from '../text/pair-tokens.js';
import { shownLine, shownPieces, type TextPiece, type TokenTexts } from '../text/token-text.js';
import { Pieces } from './token-pieces.js';

/** Characters of a long token's text that are shown when asked for. */
const MAX_WHOLE = 200_000;
/** Characters (UTF-16) that are shown of those a token holds parts of. */
const MAX_CHARACTERS = 16;

interface TokenFiguresProps {
  tokens: AnswerTokens;
  token: number;
  texts: TokenTexts;
  kept: Uint8Array | undefined;
  /**
   * Room for the way to see a long text, whether or not this token has one: what comes and goes above the tokens would move them from
   * under the pointer, and back again without end.
   */
  roomForWhole: boolean;
}

export function TokenFigures({ tokens, token, texts, kept, roomForWhole }: TokenFiguresProps) {
  const { ids, ref, policy, scores, side } = tokens;
  const id = ids[token]!;
  const { pieces, whole } = texts.shown(id);
  const characters = texts.charactersOf(ids, token);
  return (
    <>
      <dl class="token-figures" aria-live="polite">
        <Figure name={`${side}, token`} value={`${token + 1} of ${ids.length}`} />
        <div class="text">
          <dt>text</dt>
          <dd>
            <bdi class="tokens one">
              <Pieces pieces={onOneLine(pieces)} />
            </bdi>
            {characters !== '' && (
              <small>
                {' '}
                part of <bdi>{shownLine(characters, MAX_CHARACTERS)}</bdi>
              </small>
            )}
          </dd>
        </div>
        <Figure name="id" value={String(id)} />
        <Figure name="lp reference" value={logpText(ref[token]!)} />
        <Figure name="lp policy" value={policy === undefined ? '–' : logpText(policy[token]!)} />
        <Figure name="score" value={scores === undefined ? '–' : shownNumber(scores[token]!)} />
        <Figure name="selection" value={kept === undefined ? '–' : kept[token] === 1 ? 'kept' : 'left out'} />
      </dl>
      {roomForWhole && (
        <div class="whole">{whole !== undefined && <WholeText key={`${side}${token}`} text={whole} />}</div>
      )}
    </>
  );
}

/** Breaks as marks, and spaces where they are seen. */
function onOneLine(pieces: readonly TextPiece[]): TextPiece[] {
  return pieces.map((piece) => {
    if (piece.kind === 'break') return { kind: 'mark', text: '↵' };
    return piece.kind === 'text' ? { kind: 'text', text: piece.text.replaceAll(' ', '␣') } : piece;
  });
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** `−1.234 (29%)`. */
function logpText(logp: number): string {
  return `${shownNumber(logp)} (${shownNumber(Number((100 * Math.exp(logp)).toPrecision(2)))}%)`;
}

function WholeText({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? 'Shorten' : `Show all ${text.length} characters`}
      </button>
      {open && (
        <pre class="tokens" dir="auto" tabIndex={0} aria-label="whole text of the token">
          <Pieces pieces={shownPieces(text, MAX_WHOLE).pieces} />
        </pre>
      )}
    </>
  );
}
