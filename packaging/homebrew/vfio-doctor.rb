# Filled in by `scripts/packages homebrew`: version and hash of the source, and the
# libraries that it needs, as they are then.
class VfioDoctor < Formula
  include Language::Python::Virtualenv

  desc "Diagnose and repair VFIO passthrough and Looking Glass (KVMFR) hosts"
  homepage "https://pypi.org/project/vfio-doctor/"
  # SOURCE
  license "GPL-3.0-or-later"

  depends_on "python@3.13"
  depends_on :linux

  # RESOURCES

  def install
    virtualenv_install_with_resources
    man1.install "docs/vfio-doctor.1"
    generate_completions_from_executable(bin/"vfio-doctor", "completion")
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/vfio-doctor --version")
    assert_match "iommu-off", shell_output("#{bin}/vfio-doctor checks")
  end
end
