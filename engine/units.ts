/**
 * How many compute units an adapter has (streaming multiprocessors, compute units, Xe cores, GPU cores). WebGPU does not tell, so
 * it is looked up by the adapter's name. Which tile suits a matmul depends on how evenly tiles fill the units (kernels/matmul/rules.ts);
 * a wrong number costs time, never a result.
 */

/** Longer names stand before those that they contain. */
const BY_NAME: readonly (readonly [name: RegExp, units: number])[] = [
  [/\b(H200|H100 SXM|H100 80GB HBM3|GH200|H800)\b/i, 132],
  [/\bH20\b/i, 78],
  [/\bH100\b/i, 114],
  [/\b(B200|B100|GB200)\b/i, 148],
  [/\b(A100|A800)\b/i, 108],
  [/\b(L40S?|RTX 6000 Ada)\b/i, 142],
  [/\bL4\b/i, 58],
  [/\bA(10G?|40)\b/i, 80],
  [/\bRTX A6000\b/i, 84],
  [/\bT4\b/i, 40],
  [/\bV100\b/i, 80],
  [/\bRTX 5090\b/i, 170],
  [/\bRTX 5080\b/i, 84],
  [/\bRTX 5070 Ti\b/i, 70],
  [/\bRTX 5070\b/i, 48],
  [/\bRTX 5060 Ti\b/i, 36],
  [/\bRTX 5060\b/i, 30],
  [/\bRTX 4090\b/i, 128],
  [/\bRTX 4080\b/i, 76],
  [/\bRTX 4070 Ti\b/i, 60],
  [/\bRTX 4070\b/i, 46],
  [/\bRTX 4060 Ti\b/i, 34],
  [/\bRTX 4060\b/i, 24],
  [/\bRTX 3090\b/i, 82],
  [/\bRTX 3080\b/i, 68],
  [/\bRTX 3070\b/i, 46],
  [/\bRTX 3060\b/i, 28],
  [/\bRTX 2080 Ti\b/i, 68],
  [/\bRTX 20[678]0\b/i, 40],
  [/\bMI300X?\b/i, 304],
  [/\bMI2[15]0X?\b/i, 104],
  [/\bRX 9070 XT\b/i, 64],
  [/\bRX 9070\b/i, 56],
  [/\bRX 9060\b/i, 32],
  [/\bRX 7900 XTX\b/i, 96],
  [/\bRX 7900\b/i, 84],
  [/\bRX 7800\b/i, 60],
  [/\bRX 7700\b/i, 54],
  [/\bRX 7600\b/i, 32],
  [/\bRX 6[89]00\b/i, 72],
  [/\bRX 6700\b/i, 40],
  [/\bRX 6600\b/i, 30],
  [/\bRX 5[67]00\b/i, 38],
  [/NAVI31/i, 96],
  [/NAVI32/i, 60],
  [/GFX1201/i, 64],
  [/NAVI21/i, 72],
  [/(NAVI10|NAVI22)/i, 40],
  [/\b8060S\b/i, 40],
  [/\b890M\b/i, 16],
  [/\b780M\b/i, 12],
  [/\bM[1-4] Ultra\b/i, 64],
  [/\bM[1-5] Max\b/i, 36],
  [/\bM[1-5] Pro\b/i, 18],
  [/\bM[1-5]\b/i, 10],
  [/\bArc\b.*\bA7[57]0\b/i, 32],
  [/\bArc\b.*\bA580\b/i, 24],
  [/\bArc\b.*\bB580\b/i, 20],
  [/\bArc\b.*\bB570\b/i, 18],
  [/\bArc\b/i, 8],
];

/** A typical number for a vendor: that of a mid-range card. */
const BY_VENDOR: readonly (readonly [vendor: RegExp, units: number])[] = [
  [/nvidia/i, 60],
  [/amd|radeon|advanced micro/i, 40],
  [/apple/i, 16],
  [/intel/i, 8],
  [/qualcomm|arm|imagination/i, 8],
];
const UNKNOWN = 32;

/** @param adapter as `AdapterSummary` has it; a browser may give the vendor alone */
export function computeUnits({
  name,
  vendor,
  driver = '',
}: {
  name: string;
  vendor: string;
  driver?: string;
}): number {
  const find = (table: typeof BY_NAME, text: string) => table.find(([pattern]) => pattern.test(text))?.[1];
  return find(BY_NAME, `${name} ${driver}`) ?? find(BY_VENDOR, `${vendor} ${name}`) ?? UNKNOWN;
}
