// The few things that every part of the page does to it.

export const byId = (id) => document.getElementById(id);

/** An element with properties and children; strings become text, so nothing is ever parsed. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** A table row: the first cell is its heading; `{number}` cells are aligned right. */
export function row(cells) {
  const line = element('tr');
  cells.forEach((cell, at) => {
    const numeric = typeof cell === 'number' || cell?.number !== undefined;
    const content = cell?.number ?? (typeof cell === 'number' ? cell.toLocaleString('en') : cell);
    const made = element(at === 0 ? 'th' : 'td', { className: numeric ? 'number' : '' }, content);
    if (at === 0) made.scope = 'row';
    line.append(made);
  });
  return line;
}

/** Lets the browser paint and answer the user. */
export const breathe = () => new Promise((resume) => setTimeout(resume));

/** A progress bar with a line of text, shown while something runs. */
export class Running {
  constructor(prefix) {
    [this.box, this.bar, this.text, this.verdict] = ['running', 'progress', 'now', 'verdict'].map((part) => byId(`${prefix}-${part}`));
  }
  start() {
    this.box.hidden = false;
    this.say('');
    this.bar.value = 0;
  }
  show(part, text) {
    this.bar.value = part;
    this.text.textContent = text;
  }
  say(text, good) {
    this.verdict.textContent = text;
    this.verdict.classList.toggle('good', good === true);
    this.verdict.classList.toggle('bad', good === false);
  }
  stop() {
    this.box.hidden = true;
  }
}
