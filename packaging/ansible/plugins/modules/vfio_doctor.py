#!/usr/bin/python
# Copyright: vfio-doctor contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: what vfio-doctor says of a host, and what it repairs there."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vfio_doctor
short_description: Diagnose and repair VFIO passthrough and Looking Glass (KVMFR)
version_added: "0.1.0"
description:
  - Runs the vfio-doctor that is installed on the host and returns what it found.
  - With O(state=repaired), makes the repairs that C(vfio-doctor --fix) would make,
    in one journalled run that C(vfio-doctor undo) takes back.
  - A second run changes nothing.
author:
  - vfio-doctor contributors (!UNKNOWN)
requirements:
  - vfio-doctor 0.1.0 on the host, with Python 3.11 or newer
options:
  state:
    description:
      - V(diagnosed) changes nothing.
      - V(repaired) makes the safe repairs, and with O(risky) the risky ones too.
        Needs root.
    type: str
    choices: [diagnosed, repaired]
    default: diagnosed
  user:
    description:
      - Who will run the VM, by name or uid.
      - The account that Ansible logs in with is not taken for that person. Without
        this option it is the owner of the active local session, if there is one;
        otherwise findings about the person cannot be decided.
    type: str
  select:
    description: Judge these checks only, by id, or areas such as V(kvmfr).
    type: list
    elements: str
    default: []
  skip:
    description: Leave these checks out, by id or area.
    type: list
    elements: str
    default: []
  areas:
    description: Judge these areas even if nothing shows that they are wanted.
    type: list
    elements: str
    choices: [kvmfr]
    default: []
  devices:
    description:
      - PCI devices that are meant for a VM, by address (V(0000:01:00.0)) or ids
        (V(10de:2482)).
    type: list
    elements: str
    default: []
  risky:
    description: Also make the repairs marked as risky. What may be lost is in the plan.
    type: bool
    default: false
  size:
    description: The size of kvmfr's shared memory in MiB, if a repair sets one.
    type: int
  access:
    description: How the person gets access to the kvmfr device.
    type: str
    choices: [auto, owner, uaccess, group]
  iommu_pt:
    description: Set C(iommu=pt) along with what turns the IOMMU on.
    type: bool
    default: false
  ignore_msrs:
    description: Set C(kvm.ignore_msrs=1); needs O(risky).
    type: bool
    default: false
  fail_on:
    description:
      - Fail the task if a finding at or above this severity is there; after a repair,
        if one is left that no reboot will cure.
    type: str
    choices: [never, error, warning, info]
    default: never
  capture:
    description:
      - Judge this captured host, a file or folder on the host, in its place.
      - With O(state=repaired) only in check mode.
    type: path
  executable:
    description: The program, if it is not in the search path.
    type: path
attributes:
  check_mode:
    description: Runs C(vfio-doctor --fix --dry-run), which changes nothing.
    support: full
  diff_mode:
    description:
      - Shows the diff of each file, the kernel arguments of the next boot, and the
        commands that are run.
    support: full
extends_documentation_fragment: []
"""

EXAMPLES = r"""
- name: Say what is wrong
  vfio_doctor.passthrough.vfio_doctor:
    user: alice
  become: true
  register: vfio

- name: Repair what can be repaired safely
  vfio_doctor.passthrough.vfio_doctor:
    state: repaired
    user: alice
  become: true
  register: vfio

- name: Reboot if the repairs need it
  ansible.builtin.reboot:
  become: true
  when: vfio.reboot_required

- name: Fail if the card that is meant for a VM is not ready for it
  vfio_doctor.passthrough.vfio_doctor:
    devices: ["10de:2482"]
    select: [vfio, iommu-off]
    fail_on: error
  become: true
"""

RETURN = r"""
findings:
  description: What is wrong, the worst first.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The id of the check.
      type: str
    severity:
      description: One of error, warning, info.
      type: str
    subject:
      description: Where it is, for people.
      type: str
    location:
      description: Where it is, for programs.
      type: dict
    message:
      description: What is wrong.
      type: str
    advice:
      description: What to do.
      type: str
    fix:
      description: The id of the repair, or empty.
      type: str
    applicability:
      description: One of safe, risky, manual, or empty.
      type: str
    cannot:
      description: Why the repair cannot be made on this host, or empty.
      type: str
    line:
      description: Severity, check and message in one line.
      type: str
undecided:
  description: Checks that could not be decided, each with the reason.
  returned: always
  type: list
  elements: dict
root_causes:
  description: Ids of the checks to look at first.
  returned: always
  type: list
  elements: str
plan:
  description: The steps that were taken or, in check mode, would be.
  returned: always
  type: list
  elements: str
refused:
  description: What cannot be repaired on this host, and why.
  returned: always
  type: list
  elements: str
way_back:
  description: What to do if the next boot fails.
  returned: always
  type: list
  elements: str
runs:
  description: Ids of the repair, for C(vfio-doctor undo).
  returned: always
  type: list
  elements: str
effects:
  description: What became of each finding that was repaired.
  returned: always
  type: list
  elements: dict
reboot_required:
  description: Whether something waits for the next boot.
  returned: always
  type: bool
status:
  description: The exit status of vfio-doctor.
  returned: always
  type: int
ansible_facts:
  description: Facts to add to ansible_facts.
  returned: always
  type: dict
  contains:
    vfio_doctor:
      description: The version, the host, how it boots, and how many findings it has.
      returned: always
      type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vfio_doctor.passthrough.plugins.module_utils import doctor

ARGUMENTS = {
    "state": {
        "type": "str",
        "choices": ["diagnosed", "repaired"],
        "default": "diagnosed",
    },
    "user": {"type": "str"},
    "select": {"type": "list", "elements": "str", "default": []},
    "skip": {"type": "list", "elements": "str", "default": []},
    "areas": {
        "type": "list",
        "elements": "str",
        "choices": ["kvmfr"],
        "default": [],
    },
    "devices": {"type": "list", "elements": "str", "default": []},
    "risky": {"type": "bool", "default": False},
    "size": {"type": "int"},
    "access": {"type": "str", "choices": ["auto", "owner", "uaccess", "group"]},
    "iommu_pt": {"type": "bool", "default": False},
    "ignore_msrs": {"type": "bool", "default": False},
    "fail_on": {
        "type": "str",
        "choices": ["never", "error", "warning", "info"],
        "default": "never",
    },
    "capture": {"type": "path"},
    "executable": {"type": "path"},
}


def main() -> None:
    """Run vfio-doctor and hand back what it says."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    program = module.params["executable"]
    if program is None:
        program = module.get_bin_path("vfio-doctor", required=True)
    # Who deploys is not who runs the VM.
    for name in ("SUDO_UID", "PKEXEC_UID"):
        os.environ.pop(name, None)
    call = [program, *doctor.words(module.params, module.check_mode)]
    rc, stdout, stderr = module.run_command(call)
    report = doctor.report_of(stdout)
    made = doctor.returned(report, rc) if report else {"changed": False, "status": rc}
    if report and module._diff:
        made["diff"] = doctor.diff(report)
    why = doctor.failure(report, rc, stderr, module.params["fail_on"])
    if why:
        module.fail_json(msg=why, stderr=stderr, **made)
    if made["undecided"]:
        names = ", ".join(one["check"] for one in made["undecided"])
        module.warn(f"vfio-doctor could not decide: {names}")
    module.exit_json(**made)


if __name__ == "__main__":
    main()
