/** A list of any length of which only the rows in sight exist. Arrow keys, Page Up and Down, Home and End move; Enter opens. */
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ListPlace } from './list-places.js';
import { listWindow, scrollToRow } from './window.js';

interface VirtualListProps {
  label: string;
  count: number;
  /** Pixels; the style sheet gives rows this height. */
  rowHeight: number;
  /** Where the list begins; it is kept up to date. Another one is of another list. */
  place: ListPlace;
  renderRow: (index: number) => ComponentChildren;
  onOpen: (index: number) => void;
  /** Told which rows are in sight. */
  onSight?: (first: number, end: number) => void;
}

export function VirtualList(props: VirtualListProps) {
  const { label, count, rowHeight, place, onOpen, onSight } = props;
  const box = useRef<HTMLDivElement>(null);
  const [{ scroll, view }, setSight] = useState({ scroll: place.scroll, view: 600 });
  const [active, setActive] = useState(place.active);
  const measure = () => {
    place.scroll = box.current!.scrollTop;
    setSight({ scroll: place.scroll, view: box.current!.clientHeight });
  };
  useLayoutEffect(() => {
    setActive(place.active);
    box.current!.scrollTop = place.scroll;
  }, [place]);
  useLayoutEffect(() => {
    const watch = new ResizeObserver(measure);
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, [place]);
  const { first, end, offset, height } = listWindow(count, scroll, view, rowHeight);
  useEffect(() => onSight?.(first, end), [first, end, place]);
  const keys = (event: KeyboardEvent) => {
    const to = rowByKey(event.key, active, Math.max(1, Math.floor(view / rowHeight) - 1), count);
    if (to !== undefined) {
      setActive((place.active = to));
      box.current!.scrollTop = scrollToRow(to, count, box.current!.scrollTop, view, rowHeight);
    } else if (event.key === 'Enter' && count > 0) onOpen(active);
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
      onScroll={measure}
    >
      <Sized height={height}>
        <Sized offset={offset}>
          <Rows {...props} first={first} end={end} active={active} />
        </Sized>
      </Sized>
    </div>
  );
}

/** The row that a key leads to; undefined for keys that lead nowhere. @param page rows in sight. */
function rowByKey(key: string, active: number, page: number, count: number): number | undefined {
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -count, End: count };
  const step = Object.hasOwn(steps, key) ? steps[key as keyof typeof steps] : undefined;
  return step === undefined ? undefined : Math.max(0, Math.min(count - 1, active + step));
}

type RowsProps = VirtualListProps & { first: number; end: number; active: number };

function Rows({ count, renderRow, onOpen, first, end, active }: RowsProps) {
  return (
    <>
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
    </>
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
