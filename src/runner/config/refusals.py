"""What Hydra and OmegaConf say against a configuration, in a sentence with the way out."""

import re

import yaml
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from runner.config import rules
from runner.config.catalog import Known
from runner.errors import did_you_mean

# What a user's YAML can bring Hydra and OmegaConf to raise.
REFUSALS = (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError)


def refusal(error: Exception, known: Known) -> str:
    """Hydra's or OmegaConf's complaint about a configuration, with the way out where we know it."""
    text = " ".join(str(error).split("\nAvailable options")[0].split()) or type(error).__name__
    if twice := re.search(r"Multiple values for ([\w/]+)", text):
        group = twice.group(1)
        return f"{group} is chosen already: write {group}=… without +."
    if unknown := re.search(r"Could not override '([\w/]+@[\w.]+)'", text):
        return f"{unknown.group(1)}: there is no such group or key.{did_you_mean(unknown.group(1), known)}"
    if listed := re.search(r"Could not delete '([\w/]+)'\. No match", text):
        return f"~{listed.group(1)}: nothing is chosen there by that name; {listed.group(1)}=[] leaves all of it out."
    if absent := re.search(r"Could not find '([\w/]+)/([^/']+)'", text):
        group, name = absent.groups()
        return f"{text}.{did_you_mean(name, known.get(group, ()))} See: python -m runner list {group}"
    if unresolved := re.search(r"Error resolving interpolation '(.*)', possible interpolation keys: (.*)", text):
        absent_groups = {*re.findall(r"\$\{(\w+)\}", unresolved.group(1))} - {*unresolved.group(2).split(", ")}
        return "\n".join(rules.absence(group, None) for group in sorted(absent_groups)) or text
    text = re.sub(r" ?(To append to your config use|Either remove) .*", "", text)
    return f"The configuration does not compose: {text}"
