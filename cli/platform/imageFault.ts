/** What is wrong with an image file, found by our own code: its message is the reason that people read. */
export class ImageFault extends Error {}
