// A link from another site opens the page without its cookie (it is SameSite=Strict), and so lands here. From here the
// cookie is sent: whoever has a good one goes straight on.
const words = document.getElementById("words").textContent.trim();
if (!words) {
  const wanted = new URLSearchParams(location.search).get("to") ?? "/";
  const to = /^\/gates\/g\d{1,17}$/.test(wanted) ? wanted : "/";
  const answer = await fetch(to, { redirect: "manual" }).catch(() => null);
  if (answer?.ok) location.replace(to + location.hash);
}
