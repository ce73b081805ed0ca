/** The pieces of a text: always text nodes, never markup. */
import type { TextPiece } from '../text/token-text.js';

export function Pieces({ pieces }: { pieces: readonly TextPiece[] }) {
  return (
    <>
      {pieces.map((piece, i) => {
        if (piece.kind === 'text') return piece.text;
        if (piece.kind === 'mark')
          return (
            <span key={i} class="mark" title={piece.hint}>
              {piece.text}
            </span>
          );
        return (
          <span key={i} class="break">
            <span class="mark">↵</span>
            {'\n'}
          </span>
        );
      })}
    </>
  );
}
