/** The page of an exported student. Each result is also a `classified` event of the document, for whoever embeds the page. */
import { megabytes, percent } from '../models/numbers.js';
import { topK } from '../models/promptkd/use/topK.js';
import { Camera } from './camera.js';
import { type Classified, type Failure, type LoadedModel, type Loading, Model } from './model.js';
import { ResultCard } from './resultCard.js';

/** `detail` of a `classified` event. */
export interface ClassifiedDetail extends Classified {
  /** Of the file, or "Camera". */
  readonly name: string;
  /** In the order of the logits. */
  readonly classNames: readonly string[];
}

const TOP = 5;
/** A screen reader hears of the camera's class no more often, in milliseconds. */
const ANNOUNCE_MS = 2500;

const element = <T extends HTMLElement = HTMLElement>(id: string): T => document.getElementById(id) as T;
const [drop, list, empty, clear] = ['drop', 'results', 'empty', 'clear'].map((id) => element(id)) as [
  HTMLElement,
  HTMLElement,
  HTMLElement,
  HTMLElement,
];
const files = element<HTMLInputElement>('files');
const progress = element<HTMLProgressElement>('progress');
const [cameraButton, keepButton] = [element('camera'), element('keep')];
const camera = new Camera(element<HTMLVideoElement>('video'));
let cards: ResultCard[] = [];
let classNames: readonly string[] = [];

const model = start();

function start(): Model | undefined {
  element('late').remove();
  if (navigator.gpu) return new Model({ loading, ready, failed });
  failed({ kind: 'failed', reason: 'adapter', message: '' });
  return undefined;
}

function loading(news: Loading): void {
  if (news.kind === 'preparing') {
    progress.removeAttribute('value');
    say('Preparing the GPU');
    return;
  }
  const { bytes, total } = news;
  if (total) progress.value = bytes / total;
  say(`Loading the model: ${megabytes(bytes)}${total ? ` of ${megabytes(total)}` : ''} MB`);
}

function ready(loaded: LoadedModel): void {
  classNames = loaded.classNames;
  progress.hidden = true;
  const { name, software } = loaded.adapter;
  say(software ? `Ready. Without a GPU, ${name} computes on the processor, slowly.` : `Ready on ${name}`);
  const details = element('classes');
  details.hidden = false;
  details.querySelector('summary')!.textContent = `${classNames.length} classes`;
  details.querySelector('p')!.textContent = classNames.join(', ');
}

function failed({ reason, message }: Failure): void {
  progress.hidden = true;
  say('');
  const title = document.createElement('strong');
  const text = document.createElement('p');
  title.textContent = reason === 'adapter' ? 'WebGPU is not available here' : 'Something went wrong';
  text.textContent = reason === 'adapter' ? webGpuAdvice() : `${message}. Reload the page to try again.`;
  const box = element('problem');
  box.replaceChildren(title, text);
  box.hidden = false;
  for (const control of [files, cameraButton, keepButton] as (HTMLInputElement | HTMLButtonElement)[])
    control.disabled = true;
  drop.classList.add('off');
  camera.stop();
}

function webGpuAdvice(): string {
  if (!isSecureContext)
    return 'Browsers offer it to secure pages only: open this page by https, or on localhost.';
  return (
    'Update your browser and the driver of your GPU. Chrome and Edge have it from version 113 on, Safari from 26, ' +
    'Firefox from 141 on Windows and from 145 on Macs. On Linux it may have to be switched on: in Chrome at ' +
    'chrome://flags/#enable-unsafe-webgpu, in Firefox with dom.webgpu.enabled in about:config.'
  );
}

/** Classifies a picture and shows it on a card of its own, the newest first. */
async function classifyFile(name: string, picture: Blob): Promise<void> {
  if (!model || files.disabled) return;
  const card = addCard(name, picture);
  try {
    const result = await model.classify(picture);
    const best = show(card, name, result);
    const [{ className, probability }] = best as [(typeof best)[number]];
    if (model.pending === 0) announce(`${name}: ${className}, ${percent(probability, 1)}`);
  } catch (error) {
    card.note(sentence((error as Error).message));
    announce(`${name}: ${(error as Error).message}`);
  }
}

function show(card: ResultCard, name: string, result: Classified) {
  const best = topK(result.logits, classNames, TOP);
  card.show(best, result.times);
  const detail: ClassifiedDetail = { name, classNames, logits: result.logits, times: result.times };
  document.dispatchEvent(new CustomEvent('classified', { detail }));
  return best;
}

function addCard(name: string, picture?: Blob): ResultCard {
  const card = new ResultCard(name, picture);
  cards.push(card);
  list.prepend(card.element);
  empty.hidden = true;
  clear.hidden = false;
  return card;
}

async function useCamera(): Promise<void> {
  if (camera.running) return stopCamera();
  try {
    await camera.start();
  } catch (error) {
    camera.stop();
    return say((error as Error).message);
  }
  showCamera(true);
  const card = addCard('Camera');
  let [told, toldAt] = ['', 0];
  try {
    await camera.eachFrame(async (frame) => {
      const [best] = show(card, 'Camera', await model!.classify(frame));
      if (!best || best.className === told || performance.now() < toldAt + ANNOUNCE_MS) return;
      [told, toldAt] = [best.className, performance.now()];
      announce(`Camera: ${best.className}`);
    });
  } catch {
    stopCamera();
  }
  card.remove();
  cards = cards.filter((one) => one !== card);
  showEmpty();
}

function stopCamera(): void {
  camera.stop();
  showCamera(false);
}

function showCamera(on: boolean): void {
  element('video').hidden = !on;
  element('choose').hidden = on;
  element('choose-button').hidden = on;
  files.hidden = on;
  keepButton.hidden = !on;
  cameraButton.textContent = on ? 'Stop camera' : 'Use camera';
}

function showEmpty(): void {
  empty.hidden = cards.length > 0;
  clear.hidden = cards.length === 0;
}

const classifyFiles = (given: Iterable<File> | null | undefined): void => {
  for (const file of given ?? []) void classifyFile(file.name, file);
};

files.addEventListener('change', () => {
  classifyFiles([...(files.files ?? [])]);
  // The same file may be chosen again.
  files.value = '';
});
cameraButton.addEventListener('click', () => void useCamera());
keepButton.addEventListener('click', async () => {
  const picture = await camera.picture();
  if (picture) void classifyFile(`Frame at ${new Date().toLocaleTimeString()}`, picture);
});
clear.addEventListener('click', () => {
  stopCamera();
  for (const card of cards) card.remove();
  cards = [];
  showEmpty();
  announce('Results cleared');
  files.focus();
});
// Anywhere on the page, so that a near miss does not make the browser open the file instead.
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  drop.classList.add('over');
});
document.addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) drop.classList.remove('over');
});
document.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  classifyFiles(event.dataTransfer?.files);
});
document.addEventListener('paste', (event) => classifyFiles(event.clipboardData?.files));

function say(text: string): void {
  element('status').textContent = text;
}

function announce(text: string): void {
  element('announcer').textContent = text;
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
