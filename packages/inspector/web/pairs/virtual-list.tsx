/** A list of any length of which only the rows in sight exist. Arrow keys, Page Up and Down, Home and End move; Enter opens. */
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { listWindow, scrollToRow } from './window.js';

interface VirtualListProps {
  label: string;
  count: number;
  /** Pixels; the style sheet gives rows this height. */
  rowHeight: number;
  /** Changes when other rows are meant: the list then begins anew. */
  identity: unknown;
  renderRow: (index: number) => ComponentChildren;
  onOpen: (index: number) => void;
  /** Told which rows are in sight. */
  onSight?: (first: number, end: number) => void;
}

export function VirtualList({
  label,
  count,
  rowHeight,
  identity,
  renderRow,
  onOpen,
  onSight,
}: VirtualListProps) {
  const box = useRef<HTMLDivElement>(null);
  const [{ scroll, view }, setPlace] = useState({ scroll: 0, view: 600 });
  const [active, setActive] = useState(0);
  useLayoutEffect(() => {
    const element = box.current!;
    const measure = () => setPlace({ scroll: element.scrollTop, view: element.clientHeight });
    const watch = new ResizeObserver(measure);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    setActive(0);
    if (box.current !== null) box.current.scrollTop = 0;
  }, [identity]);
  const { first, end, offset, height } = listWindow(count, scroll, view, rowHeight);
  useEffect(() => onSight?.(first, end), [first, end, identity]);

  const move = (to: number) => {
    const next = Math.max(0, Math.min(count - 1, to));
    setActive(next);
    box.current!.scrollTop = scrollToRow(next, count, box.current!.scrollTop, view, rowHeight);
  };
  const keys = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(view / rowHeight) - 1);
    const to = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: count - 1,
    }[event.key];
    if (to !== undefined) move(to);
    else if (event.key === 'Enter' && count > 0) onOpen(active);
    else return;
    event.preventDefault();
  };
  return (
    <div
      class="list"
      ref={box}
      role="listbox"
      aria-label={label}
      tabIndex={0}
      aria-activedescendant={count > 0 && active >= first && active < end ? `row-${active}` : undefined}
      onKeyDown={keys}
      onScroll={(event) =>
        setPlace({ scroll: event.currentTarget.scrollTop, view: event.currentTarget.clientHeight })
      }
    >
      <Sized height={height}>
        <Sized offset={offset}>
          {Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i).map((index) => (
            <div
              key={index}
              id={`row-${index}`}
              class={`row${index === active ? ' active' : ''}`}
              role="option"
              aria-selected={index === active}
              aria-setsize={count}
              aria-posinset={index + 1}
              onClick={() => onOpen(index)}
            >
              {renderRow(index)}
            </div>
          ))}
        </Sized>
      </Sized>
    </div>
  );
}

/** A box whose height or place is set by CSSOM: a policy without inline styles forbids the attribute. */
function Sized({
  height,
  offset,
  children,
}: {
  height?: number;
  offset?: number;
  children: ComponentChildren;
}) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const { style } = box.current!;
    if (height !== undefined) style.height = `${height}px`;
    if (offset !== undefined) style.transform = `translateY(${offset}px)`;
  }, [height, offset]);
  return <div ref={box}>{children}</div>;
}
