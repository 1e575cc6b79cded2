/** The visitor's camera: one frame after the other, as fast as they are classified. */

export class Camera {
  private stream: MediaStream | undefined;

  constructor(private readonly video: HTMLVideoElement) {}

  /** Whether the camera is on. */
  get running(): boolean {
    return this.stream !== undefined;
  }

  /**
   * Asks for the camera and shows it.
   *
   * @throws Error that says why it cannot be used
   */
  async start(): Promise<void> {
    const stream = await open();
    this.stream = stream;
    this.video.srcObject = stream;
    await this.video.play();
  }

  /** Switches the camera off; does nothing if it is. */
  stop(): void {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = undefined;
    this.video.srcObject = null;
  }

  /** Hands frames to `use`, each once the one before is done, until the camera is stopped. */
  async eachFrame(use: (frame: ImageBitmap) => Promise<void>): Promise<void> {
    const { stream } = this;
    while (stream && this.stream === stream) {
      await new Promise(requestAnimationFrame);
      if (this.video.videoWidth > 0) await use(await createImageBitmap(this.video));
    }
  }

  /** The frame that is shown now, as a file. */
  async picture(): Promise<Blob | undefined> {
    const { videoWidth: width, videoHeight: height } = this.video;
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    canvas.getContext('2d')?.drawImage(this.video, 0, 0);
    return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? undefined), 'image/png'));
  }
}

async function open(): Promise<MediaStream> {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error('This browser gives pages no camera.');
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' }, audio: false });
  } catch (error) {
    const refused = error instanceof DOMException && error.name === 'NotAllowedError';
    throw new Error(
      refused
        ? 'The camera was not allowed. Allow it in the address bar, then try again.'
        : 'No camera could be opened. Connect one, or close what else uses it.',
    );
  }
}
