// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stand-in for the kvmfr module of Looking Glass, for tests only.
 *
 * It imitates the contract that vfio-doctor relies on and nothing else: the
 * class "kvmfr", the array parameter static_size_mb (mode 0000), no device
 * without it, "No such device" on a bad value, sizes that overflow an int, a
 * dynamic major number, nodes kvmfr0, kvmfr1 ... that belong to root until udev
 * acts, its log lines and PCI alias, the ioctl that answers a device's size, and
 * memory that all who map a device share.
 */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#define DEVICES_AT_MOST 10
#define GETSIZE _IO('u', 0x44)

static int static_size_mb[DEVICES_AT_MOST];
static unsigned int count;
module_param_array(static_size_mb, int, &count, 0000);
MODULE_PARM_DESC(static_size_mb, "sizes of the static devices in MiB");

static void *memory[DEVICES_AT_MOST];
static dev_t first;
static struct cdev cdev;
static struct class *class;

/* The real module also binds this device of a guest, and is loaded for it. */
static const struct pci_device_id ids[] = {
	{ PCI_DEVICE(0x1af4, 0x1110) },
	{ }
};
MODULE_DEVICE_TABLE(pci, ids);

/* An int, as in the real module: 4097 MiB overflow to 1 MiB, and that works. */
static int bytes_of(unsigned int n)
{
	return (int)((unsigned int)static_size_mb[n] << 20);
}

static long kvmfr_ioctl(struct file *file, unsigned int number, unsigned long arg)
{
	if (number != GETSIZE)
		return -ENOTTY;
	return bytes_of(iminor(file_inode(file)));
}

/* More than the device has is "Invalid argument". */
static int kvmfr_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned int n = iminor(file_inode(file));

	pr_info("kvmfr: mmap kvmfr%u: %lx-%lx with size %lu offset %lu\n", n,
		vma->vm_start, vma->vm_end, vma->vm_end - vma->vm_start,
		vma->vm_pgoff << PAGE_SHIFT);
	return remap_vmalloc_range(vma, memory[n], vma->vm_pgoff);
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = kvmfr_ioctl,
	.mmap = kvmfr_mmap,
};

static void free_memory(void)
{
	unsigned int n;

	for (n = 0; n < count; n++)
		vfree(memory[n]);
}

static int allocate_memory(void)
{
	unsigned int n;

	for (n = 0; n < count; n++) {
		if (bytes_of(n) > 0)
			memory[n] = vmalloc_user(bytes_of(n));
		if (!memory[n]) {
			pr_err("kvmfr: failed to allocate memory\n");
			free_memory();
			return -ENODEV;
		}
	}
	return 0;
}

static int __init kvmfr_init(void)
{
	unsigned int n;

	if (allocate_memory())
		return -ENODEV;
	if (alloc_chrdev_region(&first, 0, DEVICES_AT_MOST, "kvmfr"))
		goto no_region;
	cdev_init(&cdev, &operations);
	if (cdev_add(&cdev, first, DEVICES_AT_MOST))
		goto no_cdev;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	class = class_create("kvmfr");
#else
	class = class_create(THIS_MODULE, "kvmfr");
#endif
	if (IS_ERR(class))
		goto no_class;
	pr_info("kvmfr: creating %u static devices\n", count);
	for (n = 0; n < count; n++)
		device_create(class, NULL, first + n, NULL, "kvmfr%u", n);
	pr_info("kvmfr: kvmfr_module_init: module loaded\n");
	return 0;

no_class:
	cdev_del(&cdev);
no_cdev:
	unregister_chrdev_region(first, DEVICES_AT_MOST);
no_region:
	free_memory();
	return -ENODEV;
}

static void __exit kvmfr_exit(void)
{
	unsigned int n;

	for (n = 0; n < count; n++)
		device_destroy(class, first + n);
	class_destroy(class);
	cdev_del(&cdev);
	unregister_chrdev_region(first, DEVICES_AT_MOST);
	free_memory();
}

module_init(kvmfr_init);
module_exit(kvmfr_exit);
MODULE_LICENSE("GPL");
MODULE_VERSION("0.0.12");
MODULE_DESCRIPTION("stand-in for the kvmfr module of Looking Glass (tests only)");
