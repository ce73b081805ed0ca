/** Configurations beside each other. */
import { shownLine } from '../text/token-text.js';

const MAX_VALUE = 120;

interface ConfigTableProps {
  /** Heading and configuration of each column. */
  configs: readonly (readonly [heading: string, config: Readonly<Record<string, unknown>>])[];
  /** Only keys whose values differ. */
  differing?: boolean;
}

export function ConfigTable({ configs, differing = false }: ConfigTableProps) {
  const keys = [...new Set(configs.flatMap(([, config]) => Object.keys(config)))].filter(
    (key) => !differing || new Set(configs.map(([, config]) => textOf(config, key))).size > 1,
  );
  if (keys.length === 0)
    return <p class="note">{differing ? 'The configurations are the same.' : 'Nothing is known.'}</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Configuration">
      <table>
        <thead>
          <tr>
            <th scope="col">key</th>
            {configs.map(([heading]) => (
              <th scope="col" key={heading}>
                <bdi>{shownLine(heading, MAX_VALUE)}</bdi>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => (
            <tr key={key}>
              <th scope="row">{shownLine(key, MAX_VALUE)}</th>
              {configs.map(([heading, config]) => (
                <td key={heading}>
                  <bdi>{textOf(config, key)}</bdi>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function textOf(config: Readonly<Record<string, unknown>>, key: string): string {
  const value = Object.hasOwn(config, key) ? config[key] : undefined;
  if (value === undefined || value === null) return '–';
  return shownLine(typeof value === 'object' ? JSON.stringify(value) : String(value), MAX_VALUE);
}
