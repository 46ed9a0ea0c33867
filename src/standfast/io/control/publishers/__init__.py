"""Those who hold the records that the world sees, each as a `control.publishing.Publisher`."""
