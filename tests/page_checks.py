"""What is asked of every page: that it is accessible, speaks the chosen language, and can be worked with fingers."""

from pathlib import Path

from playwright.async_api import Page

from tests.fetching import fetched

AXE = Path(__file__).parent / "axe"
WORDS = """
async () => {
  const { WORDS } = await import("/js/words.js");
  const differ = Object.values(WORDS).filter(([vi, en]) => vi.toLowerCase() !== en.toLowerCase());
  return differ.map(([, en]) => en).filter((en) => en.length > 3 && !en.includes("{"));
}
"""
"""The page's own English words."""


async def english_on(page: Page) -> list[str]:
    """What the page says in its own English words, but for what is marked as English."""
    words = await page.evaluate(WORDS)
    assert len(words) > 100
    said = await page.evaluate(
        """() => {
            const shown = [...document.querySelectorAll("body *")].filter((element) => element.closest("[lang=en]") === null);
            const own = (element) => [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data);
            return shown.flatMap((element) => [...own(element), element.title ?? "", element.ariaLabel ?? ""]);
        }"""
    )
    return sorted({text.strip() for text in said} & set(words))


async def serious_on(page: Page) -> list[tuple[str, list[str]]]:
    """What axe finds serious, or worse."""
    folder = fetched(AXE, "node", ["npm", "ci", "--silent", "--no-audit", "--no-fund"])
    # By the browser's own door: the page's policy lets no script of others in.
    await page.evaluate((folder / "node_modules/axe-core/axe.min.js").read_text())
    found = await page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        (violation["id"], [node["html"][:200] for node in violation["nodes"][:3]])
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


async def too_wide_on(page: Page) -> list[str]:
    """What has to be scrolled sideways."""
    wide: list[str] = await page.evaluate(
        """() => [document.documentElement, ...document.querySelectorAll(".sheet, .page, .drawer, .drawer-body")]
            .filter((element) => element.scrollWidth > element.clientWidth + 1).map((element) => element.className)"""
    )
    return wide


async def too_small_on(page: Page) -> list[str]:
    """What is to be touched and is too small for a finger."""
    small: list[str] = await page.evaluate(
        """() => [...document.querySelectorAll("button, nav a, select, input[type=search]")].filter((element) => {
            const { width, height } = element.getBoundingClientRect();
            return width > 0 && height < 44 && element.closest("thead") === null;
        }).map((element) => element.outerHTML.slice(0, 120))"""
    )
    return small
