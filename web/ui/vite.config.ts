import { defineConfig } from "vitest/config";

/** `npm run dev` shows a running agent's data; this is where it listens. */
const agent = process.env["VIPWATCH_URL"] ?? "http://127.0.0.1:9180";

export default defineConfig({
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": agent },
    // A test holds the page's words against the model's.
    fs: { allow: [".", "../../model/src"] },
  },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"] },
});
