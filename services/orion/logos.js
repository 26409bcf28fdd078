// The logos of block types come from a server of Prefect's. Without a network, the first letters of the text beside a
// logo take its place.
addEventListener("error", ({ target: image }) => {
  if (!(image instanceof HTMLImageElement) || image.src.startsWith("data:")) return;
  let beside = image.parentElement;
  while (beside && !beside.innerText.trim()) beside = beside.parentElement;
  const words = beside?.innerText.trim().split("\n")[0].match(/[\p{L}\p{N}]+/gu) ?? [];
  const letters = words.slice(0, 2).map((word) => word[0].toUpperCase()).join("");
  const hue = [...words.join()].reduce((sum, letter) => (sum * 31 + letter.codePointAt()) % 360, 0);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">
    <rect width="40" height="40" rx="8" fill="hsl(${hue} 45% 42%)"/>
    <text x="20" y="26" text-anchor="middle" font-family="sans-serif" font-size="16" fill="white">${letters}</text></svg>`;
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
}, true);
