// Light and dark: as the system has it until the reader chooses.

export type Theme = 'light' | 'dark';

const key = 'memprof-theme';

export function systemTheme(): Theme {
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

export function currentTheme(): Theme {
  const chosen = document.documentElement.dataset['theme'];
  return chosen === 'dark' || chosen === 'light' ? chosen : systemTheme();
}

export function chooseTheme(theme: Theme): void {
  document.documentElement.dataset['theme'] = theme;
  try {
    localStorage.setItem(key, theme);
  } catch {
    // A browser that keeps nothing for files: the choice lasts as long as the page.
  }
}

export function startTheme(): void {
  try {
    const kept = localStorage.getItem(key);
    if (kept === 'dark' || kept === 'light') document.documentElement.dataset['theme'] = kept;
  } catch {
    // As above: then the system's.
  }
}

/** A colour of style.css, for canvas. */
export function cssColour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
