// Runs in the page of a report: texts beyond the page's sides, cut off, or on top of each other.
(() => {
  const faults = [];
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) faults.push(`the page scrolls sideways by ${wide}`);
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const text = (node.textContent ?? '').trim();
    const parent = node.parentElement;
    if (text === '' || parent === null) continue;
    if (parent.closest('script, style, select, noscript, .visually-hidden, .skip') !== null)
      continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) {
      const box = {
        left: rect.left,
        top: rect.top,
        right: rect.right,
        bottom: rect.bottom,
        text: text.slice(0, 40),
        node,
      };
      let canScroll = false;
      for (let up = parent; up !== null; up = up.parentElement) {
        const style = getComputedStyle(up);
        if (style.overflowX === 'visible') continue;
        const clip = up.getBoundingClientRect();
        canScroll ||= style.overflowX === 'auto' || style.textOverflow === 'ellipsis';
        box.left = Math.max(box.left, clip.left);
        box.right = Math.min(box.right, clip.right);
        box.top = Math.max(box.top, clip.top);
        box.bottom = Math.min(box.bottom, clip.bottom);
      }
      if (box.right - box.left < 1 || box.bottom - box.top < 1) continue;
      if (!canScroll && (box.left < -0.5 || box.right > innerWidth + 0.5))
        faults.push(`"${box.text}" goes beyond the side`);
      boxes.push(box);
    }
  }
  for (const [at, a] of boxes.entries())
    for (const b of boxes.slice(at + 1)) {
      if (a.node === b.node) continue;
      const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (width > 2 && height > 4) faults.push(`"${a.text}" and "${b.text}" overlap`);
    }
  return faults.slice(0, 10);
})();
