"""costmeter tells what every AI request, model, feature and team costs, live and to the cent."""
