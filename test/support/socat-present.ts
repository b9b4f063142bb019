/** Marks a test that sends packets with socat: where it is not installed the runner leaves the test out. */
export const SOCAT = "socat"
