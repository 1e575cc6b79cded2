/** An image file is damaged or not supported; the message is the reason that users read. */
export class ImageFault extends Error {}
