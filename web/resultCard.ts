/** The card of one image: its picture, its most likely classes, and what it took. */
import { percent } from '../models/numbers.js';
import type { Prediction } from '../models/promptkd/use/topK.js';
import type { ImageTimes } from './messages.js';

/** The card of one image: its picture, its classes with bars, and how long it took. */
export class ResultCard {
  readonly element = make('li', 'card');
  private readonly times = make('p', 'times');
  private readonly body = make('div');
  private url: string | undefined;

  /** @param picture undefined for what the camera shows */
  constructor(name: string, picture?: Blob) {
    const head = make('div', 'card-head');
    const title = make('h3', '', name);
    title.title = name;
    head.append(title, this.times);
    const content = make('div');
    content.append(head, this.body);
    if (picture) this.element.append(this.thumbnail(picture));
    else this.element.classList.add('live');
    this.element.append(content);
    this.note('Waiting');
  }

  /** Says something in place of classes. */
  note(text: string): void {
    this.times.textContent = '';
    this.body.replaceChildren(make('p', 'note', text));
  }

  /** Shows classes, the most likely first, and milliseconds. */
  show(predictions: readonly Prediction[], { decode, model }: ImageTimes): void {
    this.times.textContent = `${milliseconds(decode + model)} ms`;
    this.times.title = `decoding ${milliseconds(decode)} ms, transform and model ${milliseconds(model)} ms`;
    const shown = this.body.querySelectorAll<HTMLElement>('.class');
    const rows = predictions.map((prediction, i) => {
      // Rows stay, so that the bars of the camera's card glide.
      const row = shown[i] ?? emptyRow();
      const [name, probability, bar] = row.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
      name.textContent = prediction.className;
      probability.textContent = percent(prediction.probability, 1);
      bar.style.setProperty('--share', prediction.probability.toFixed(4));
      return row;
    });
    const list = make('ol');
    list.append(...rows);
    this.body.replaceChildren(list);
  }

  /** Takes the card off the page and frees its picture. */
  remove(): void {
    this.element.remove();
    if (this.url) URL.revokeObjectURL(this.url);
  }

  private thumbnail(picture: Blob): HTMLImageElement {
    const image = make('img');
    this.url = URL.createObjectURL(picture);
    // The file's name beside it says which picture it is.
    Object.assign(image, { src: this.url, alt: '', loading: 'lazy', decoding: 'async' });
    return image;
  }
}

const milliseconds = (time: number): string => (time < 10 ? time.toFixed(1) : time.toFixed(0));

function emptyRow(): HTMLElement {
  const row = make('li', 'class');
  const bar = make('div', 'bar');
  bar.ariaHidden = 'true';
  row.append(make('span'), make('span', 'probability'), bar);
  return row;
}

function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = '',
  text = '',
): HTMLElementTagNameMap[K] {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}
