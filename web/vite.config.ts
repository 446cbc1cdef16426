// Builds one HTML file that holds everything: script, style, and the licences of what is bundled. A content
// security policy lets only this very script run, so a name from the network that became markup would still be inert.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

/** What is bundled; each has its licence in node_modules/NAME/LICENSE. */
const BUNDLED = ["cytoscape", "@dagrejs/dagre"];

function licences(): string {
  const texts = BUNDLED.map((name) => {
    const folder = `${import.meta.dirname}/node_modules/${name}`;
    const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
    if (license !== "MIT") throw new Error(`${name} is under ${license}: may it be bundled?`);
    return `${name} ${version}\n\n${readFileSync(`${folder}/LICENSE`, "utf8").trim()}`;
  });
  return texts.join("\n\n").replaceAll("--", "- -");
}

function policy(script: string): string {
  const hash = createHash("sha256").update(script).digest("base64");
  return [
    "default-src 'none'",
    `script-src 'sha256-${hash}'`,
    "style-src 'unsafe-inline'",
    "img-src data: blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

/** Puts the one script and the one style sheet into the page. */
function oneFile(): Plugin {
  return {
    name: "one-file",
    enforce: "post",
    generateBundle(_, bundle) {
      const files = Object.values(bundle);
      const page = files.find((file) => file.fileName === "index.html");
      const scripts = files.filter((file) => file.type === "chunk");
      const styles = files.filter((file) => file.fileName.endsWith(".css"));
      if (page?.type !== "asset" || scripts.length !== 1) throw new Error("expected one page and one script");
      // Nothing in the script may end the element that it stands in.
      const script = scripts[0]!.code.trim().replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
      const style = styles.map((file) => (file.type === "asset" ? String(file.source) : "")).join("").trim();
      const html = String(page.source)
        .replace(/\s*<script type="module"[^>]*src=[^>]*><\/script>/, "")
        .replace(/\s*<link rel="stylesheet"[^>]*>/g, "")
        .replace("<head>", () => `<head>\n    <meta http-equiv="Content-Security-Policy" content="${policy(script)}" />`)
        .replace("</head>", () => `<style>${style}</style>\n  </head>`)
        .replace("</body>", () => `<script type="module">${script}</script>\n  </body>`)
        .replace("</html>", () => `</html>\n<!--\n${licences()}\n-->`);
      for (const file of files) delete bundle[file.fileName];
      this.emitFile({ type: "asset", fileName: "index.html", source: html });
    },
  };
}

export default defineConfig({
  base: "./",
  build: { target: "es2022", cssCodeSplit: false, modulePreload: false, assetsInlineLimit: 0 },
  plugins: [oneFile()],
});
