// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stand-in for the kvmfr module of Looking Glass, for tests only.
 *
 * It imitates the contract that vfio-doctor relies on and nothing else: the
 * class "kvmfr", the array parameter static_size_mb (mode 0000), no device
 * without it, "No such device" on a bad value, a dynamic major number, nodes
 * kvmfr0, kvmfr1 ... that belong to root until udev acts, and the ioctl that
 * answers a device's size. There is no shared memory behind the nodes.
 */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/version.h>

#define DEVICES_AT_MOST 10
#define GETSIZE _IO('u', 0x44)
#define TOO_LARGE 2048

static int static_size_mb[DEVICES_AT_MOST];
static unsigned int count;
module_param_array(static_size_mb, int, &count, 0000);
MODULE_PARM_DESC(static_size_mb, "sizes of the static devices in MiB");

static dev_t first;
static struct cdev cdev;
static struct class *class;

static long kvmfr_ioctl(struct file *file, unsigned int number, unsigned long arg)
{
	if (number != GETSIZE)
		return -ENOTTY;
	return (long)static_size_mb[iminor(file_inode(file))] << 20;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = kvmfr_ioctl,
};

static int check_sizes(void)
{
	unsigned int n;

	for (n = 0; n < count; n++)
		if (static_size_mb[n] <= 0 || static_size_mb[n] >= TOO_LARGE)
			return -ENODEV;
	return 0;
}

static int __init kvmfr_init(void)
{
	unsigned int n;

	if (check_sizes() || alloc_chrdev_region(&first, 0, DEVICES_AT_MOST, "kvmfr"))
		return -ENODEV;
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
	return 0;

no_class:
	cdev_del(&cdev);
no_cdev:
	unregister_chrdev_region(first, DEVICES_AT_MOST);
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
}

module_init(kvmfr_init);
module_exit(kvmfr_exit);
MODULE_LICENSE("GPL");
MODULE_VERSION("0.0.12");
MODULE_DESCRIPTION("stand-in for the kvmfr module of Looking Glass (tests only)");
